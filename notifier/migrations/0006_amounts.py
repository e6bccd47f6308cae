from django.db import migrations, models
from django.db.models import Value


class Migration(migrations.Migration):

    dependencies = [
        ("notifier", "0005_probe_at"),
    ]

    operations = [
        migrations.AddField(
            model_name="alert",
            name="amounts",
            field=models.JSONField(db_default=Value({}, models.JSONField()), default=dict),
        ),
    ]
