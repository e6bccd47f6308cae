"""What the settings say, in words: conditions, cadence, quiet hours, limits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from django.utils.translation import gettext as _

from notifier.facts import Money, Timing
from notifier.judge.calendar import QuietHours
from notifier.judge.durations import human
from notifier.judge.escalation import Level
from notifier.judge.match import Matcher
from notifier.judge.money import format_money
from notifier.judge.policy import ChannelConfig, Quiet
from notifier.messages.wording import listed

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def conditions(matcher: Matcher) -> list[tuple[str, str]]:
    """What must hold, each as a label and its values; nothing: it takes everything."""
    found = [
        (
            _("severity"),
            _("%(least)s or worse") % {"least": matcher.min_severity.label} if matcher.min_severity else "",
        ),
        (_("severity"), _or(one.label for one in matcher.severities)),
        (_("category"), _or(one.value for one in matcher.categories)),
        (_("source"), _or(matcher.sources)),
        (_("event"), _or(matcher.events)),
        (_("exception"), _or(matcher.exceptions)),
        (_("mode"), "" if matcher.livemode is None else _("live") if matcher.livemode else _("test")),
        (_("endpoint"), _or(matcher.endpoints)),
        (_("account"), _or(matcher.accounts)),
        (_("amount"), _or(format_money(Money(amount, code)) for code, amount in matcher.min_amounts.items())),
        (_("attempt"), _("%(number)s or later") % {"number": matcher.min_attempt} if matcher.min_attempt else ""),
        *((key, value) for key, value in matcher.context.items()),
    ]
    return [(label, value) for label, value in found if value]


def of_match(match: object) -> list[tuple[str, str]]:
    """The same of a silence's match, as it is written; whatever stands there is shown."""
    if not isinstance(match, Mapping):
        return [(_("cannot be read"), str(match)[:200])]
    return [_of_key(str(key), value) for key, value in match.items()]


def _of_key(key: str, value: object) -> tuple[str, str]:
    if key == "fingerprint":  # a hash, which says nothing to people: the silence's comment names the alert
        return _("one kind of alert"), _written(value)[:8]
    return key, _written(value)


def cadence(timing: Timing) -> str:
    """ "at once; then at most every 5 min, 10 min; a reminder every 4 h" """
    first = _("after %(time)s") % {"time": human(timing.wait)} if timing.wait else _("at once")
    parts = [first]
    if timing.windows:
        parts.append(_("news at most every %(times)s") % {"times": ", ".join(map(human, timing.windows))})
    if timing.repeat:
        parts.append(_("a reminder every %(time)s until somebody has it") % {"time": human(timing.repeat)})
    if not timing.resolved:
        parts.append(_("not when it is over"))
    return "; ".join(parts)


def level(one: Level) -> str:
    """ "after 15 min: oncall-boss, each has to answer" """
    to = _("the last resort: the log, and the site's admins by mail") if one.last_resort else listed(one.to)
    text = _("after %(time)s: %(to)s") % {"time": human(one.at), "to": to}
    return _("%(step)s, each of them has to answer") % {"step": text} if one.each else text


def quiet(one: Quiet) -> str:
    hours = listed([_hours(hour) for hour in one.hours])
    if one.unless is None:
        return hours
    return _("%(hours)s, unless it is %(severity)s or worse") % {"hours": hours, "severity": one.unless.label}


def limits(channel: ChannelConfig) -> list[str]:
    """What bounds a channel, each in a sentence."""
    found = [
        _("at most %(count)s in %(time)s") % {"count": window.count, "time": human(window.per)}
        for window in channel.limits.windows
    ]
    if channel.limits.messages_per_day is not None:
        found.append(_("at most %(count)s a day") % {"count": channel.limits.messages_per_day})
    if channel.limits.money_per_day is not None:
        found.append(_("at most %(money)s a day in messages") % {"money": channel.limits.money_per_day})
    if channel.limits.overflow:
        found.append(_("what is over that goes to %(channel)s") % {"channel": channel.limits.overflow})
    if channel.failover:
        after = human(channel.failover_after) if channel.failover_after > timedelta(0) else _("no time")
        found.append(_("what does not arrive for %(time)s goes to %(to)s") % {"time": after, "to": channel.failover})
    return found


def _hours(hours: QuietHours) -> str:
    days = "" if len(hours.days) == 7 else " ".join(DAYS[day] for day in sorted(hours.days)) + " "
    return f"{days}{hours.start:%H:%M}-{hours.end:%H:%M} ({hours.tz})"


def _or(values: Iterable[object]) -> str:
    return _(" or ").join(str(value) for value in values)


def _written(value: object) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list | tuple):
        return _or(value)
    return str(value)[:200]
