"""`manage.py demo_data`: a made-up day of a shop, for a first look at the pages."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management.base import CommandError
from django.urls import reverse
from django.utils import timezone

from alerts_runtime.management.database import DatabaseCommand
from notifier.config.conf import get_policy
from notifier.models import Alert
from notifier.pages import groups


class Command(DatabaseCommand):
    help = "Fill an empty database with a made-up day of a shop and an account to log in with. Sends nothing."
    examples = ("",)

    def handle(self, **options: Any) -> None:
        if not (settings.DEBUG or getattr(settings, "DEMO", False)):
            raise CommandError("Only with DEBUG or DEMO: made-up alerts do not belong into a real site's database.")
        if Alert.objects.exists():
            raise CommandError("There are alerts already. A made-up day goes into an empty database only.")
        if sending := [one.alias for one in get_policy().channels.values() if not (one.prints or one.unconfigured)]:
            text = f"{', '.join(sending)} would send: take their credentials out first, so that nobody is paged for it."
            raise CommandError(text)
        from notifier.pages import sample  # webhooks' own models, which dj-stripe's users do not have

        name, password = "demo", secrets.token_urlsafe(9)
        sample.seed(timezone.now(), by=name)
        users = get_user_model()
        user = users._default_manager.filter(**{users.USERNAME_FIELD: name}).first() or users(username=name)
        user.set_password(password)
        user.save()
        groups.make()
        user.groups.set(Group.objects.filter(name__in=groups.NAMES))
        self.stdout.write(
            f"A made-up day is there: {Alert.objects.count()} alerts. Look at {reverse('notifier_pages:now')} and log "
            f"in as {name} with the password {password}"
        )
