from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("notifier", "0004_no_wait_for_ever"),
    ]

    operations = [
        migrations.AddField(
            model_name="target",
            name="probe_at",
            field=models.DateTimeField(null=True),
        ),
    ]
