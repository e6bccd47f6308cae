from datetime import timedelta

from django.db import migrations
from django.utils import timezone


def shorten(apps, schema_editor):
    """What a provider once asked for without a limit ends within an hour, and what is held is looked at within a day."""
    now = timezone.now()
    Target, Notification = apps.get_model("notifier", "Target"), apps.get_model("notifier", "Notification")
    waits = Target.objects.filter(held_by__startswith="provider", next_at__gt=now + timedelta(hours=1))
    waits.update(next_at=now + timedelta(hours=1))
    Notification.objects.filter(due_at__gt=now + timedelta(days=1)).update(due_at=now + timedelta(days=1))


class Migration(migrations.Migration):
    dependencies = [("notifier", "0003_listed")]
    operations = [migrations.RunPython(shorten, migrations.RunPython.noop)]
