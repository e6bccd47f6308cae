from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("notifier", "0002_after_the_commit"),
    ]

    operations = [
        migrations.AddField(
            model_name="notification",
            name="listed",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
