"""The three groups: who may look, who may act, who may configure. Made after each migration, and then left alone."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.utils.translation import gettext_noop

# Django's own permissions: the admin asks for the same.
VIEW, ACT, CONFIGURE = "swa_notifier.view_alert", "swa_notifier.change_alert", "swa_notifier.change_target"
PAYLOAD = "swa_webhooks.view_webhookevent"  # bodies hold what customers told Stripe
_VIEW = (VIEW, "swa_webhooks.view_failure")
_ACT = (*_VIEW, ACT, "swa_notifier.view_silence", "swa_notifier.add_silence", "swa_notifier.change_silence")
GROUPS = {
    gettext_noop("Alerts: view"): _VIEW,
    gettext_noop("Alerts: act"): _ACT,
    gettext_noop("Alerts: configure"): (*_ACT, CONFIGURE, PAYLOAD),
}
NAMES = tuple(GROUPS)


def make(using: str = "default", **_: Any) -> None:
    """A group that is there keeps what it was given: the site may have chosen otherwise."""
    if not apps.is_installed("django.contrib.auth"):
        return
    from django.contrib.auth.management import create_permissions
    from django.contrib.auth.models import Group, Permission

    for label in ("swa_notifier", "swa_webhooks"):  # whose own turn may come after this one
        if label in apps.app_configs:
            create_permissions(apps.get_app_config(label), verbosity=0, using=using)
    for name, wanted in GROUPS.items():
        group, new = Group.objects.using(using).get_or_create(name=name)
        if new:
            names = [one.partition(".")[2] for one in wanted]
            known = Permission.objects.using(using).filter(codename__in=names).select_related("content_type")
            codes = [one for one in known if f"{one.content_type.app_label}.{one.codename}" in wanted]
            group.permissions.set(codes)
