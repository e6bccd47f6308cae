"""How the pages write times, money and states. Everything else is in the templates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.http import QueryDict
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from alerts_runtime.redaction.masking import named as masked_name
from notifier.facts import Money, Severity
from notifier.messages.news import held_because
from notifier.messages.wording import about, clock, sums
from notifier.models import Notification

register = template.Library()


@register.simple_tag(takes_context=True)
def when(context: Mapping[str, Any], moment: datetime | None) -> SafeString | str:
    """A time in the viewer's zone; the exact one in UTC on hover."""
    if moment is None:
        return ""
    viewer = context["viewer"]
    exact = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        exact.isoformat(timespec="seconds"),
        f"{exact:%Y-%m-%d %H:%M:%S} UTC",
        clock(moment, viewer.now, viewer.zone),
    )


@register.simple_tag(takes_context=True)
def since(context: Mapping[str, Any], moment: datetime | None) -> str:
    """How long ago: "17 min"."""
    return about(context["viewer"].now - moment) if moment else ""


@register.filter
def lasting(duration: timedelta) -> str:
    return about(duration)


@register.filter
def in_words(monies: Iterable[Money]) -> str:
    return sums(monies)


@register.filter
def severity(value: int | None) -> str:
    try:
        return Severity(value).label if value is not None else ""
    except ValueError:
        return str(value)


@register.filter
def recipient(target: Any) -> str:
    """A recipient with its address masked."""
    return masked_name(target.channel, target.address)


@register.filter
def breakable(name: str) -> SafeString:
    """A dotted name, which may go on in the next line after a dot, and not within a word."""
    return mark_safe(re.sub(r"(?<=[a-z])([._])(?=[a-z])", r"\1<wbr>", escape(name)))  # noqa: S308 - escaped


@register.filter
def with_code(text: str) -> SafeString:
    """What stands in backticks as code, as a message writes it."""
    return mark_safe(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text)))  # noqa: S308 - escaped, with its quotes


@register.filter
def because(row: Notification) -> str:
    """What holds a message, in words."""
    return held_because(row.held_by, row.held_ref)


@register.simple_tag(takes_context=True)
def query(context: Mapping[str, Any], **changes: Any) -> str:
    """This page's query with some of its values changed; an empty value leaves its name out."""
    found: QueryDict = context["request"].GET.copy()
    for name, value in changes.items():
        found.pop(name, None)
        if value not in (None, ""):
            found[name] = str(value)
    return f"?{found.urlencode()}"
