"""How times, counts, money and long texts are written in messages. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from notifier.channels.text import one_line
from notifier.facts import Money
from notifier.judge.durations import human
from notifier.judge.money import add, format_money, format_sums

CURRENCIES = 8  # that are named; a Stripe account may have 135


def clock(when: datetime, now: datetime, tz: str, *, zone: bool = True) -> str:
    """A local time: "14:32 CEST", and with its date when that is not today's: "Wed 25 Nov 14:32 CET".

    Leave the zone out only if the same sentence has it already.
    """
    local, today = when.astimezone(ZoneInfo(tz)), now.astimezone(ZoneInfo(tz)).date()
    name = f" {zone_name(local)}" if zone else ""
    if local.date() == today:
        return f"{local:%H:%M}{name}"
    year = f" {local.year}" if local.year != today.year else ""
    return f"{local:%a} {local.day} {local:%b}{year} {local:%H:%M}{name}"


def span(start: datetime, end: datetime, now: datetime, tz: str) -> tuple[str, str]:
    """Two times in a sentence: the second without the zone and the date that the first has."""
    zone = ZoneInfo(tz)
    one, other = start.astimezone(zone), end.astimezone(zone)
    same_zone = zone_name(one) == zone_name(other)
    if one.date() == other.date():
        return clock(start, now, tz), f"{other:%H:%M}" + ("" if same_zone else f" {zone_name(other)}")
    today = "today " if other.date() == now.astimezone(zone).date() else ""
    return clock(start, now, tz), today + clock(end, now, tz, zone=not same_zone)


def zone_name(local: datetime) -> str:
    """The abbreviation of the zone at that time; if it has none, its offset from UTC."""
    name = local.tzname() or "UTC"
    return f"UTC{name}" if name[0] in "+-" else name


def about(duration: timedelta) -> str:
    """A duration without seconds, unless it has no minutes: "9 min"."""
    minute = timedelta(minutes=1)
    return human(duration if duration < minute else duration - duration % minute)


def sentence(error: object) -> str:
    """The text of an error as a sentence, with a capital and a full stop; a name such as `os.path` stays as it is."""
    text = str(error)
    text = capitalised(text) if text.partition(" ")[0].isalpha() else text
    return text if text.endswith((".", "!", "?")) else f"{text}."


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: "1 alert", "2,400 alerts"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def unknown_amounts(number: int, one: str = "event") -> str:
    """ "amount unknown for 2 events"; empty for none"""
    return f"amount unknown for {counted(number, one)}" if number else ""


def listed(items: Sequence[str]) -> str:
    """ "a, b and c" """
    return f"{', '.join(items[:-1])} and {items[-1]}" if len(items) > 1 else "".join(items)


def sums(monies: Iterable[Money], most: int = CURRENCIES) -> str:
    """Totals by currency; past CURRENCIES of them the rest is only counted: "EUR 18,420.00 and USD 310.00"."""
    totals = [total for total in add(monies) if total.amount]
    if len(totals) <= most:
        return format_sums(totals)
    named = ", ".join(format_money(total) for total in totals[:most])
    return f"{named} and {counted(len(totals) - most, 'more currency', 'more currencies')}"


def shorten(text: str, limit: int) -> str:
    """One line of at most `limit` characters, which says how much of it is missing."""
    line = one_line(text)
    if len(line) <= limit:
        return line
    mark = f"… (+{len(line):,} characters)"  # at least as long as the mark that is used below
    kept = line[: max(limit - len(mark), 0)].rstrip()
    return f"{kept}… (+{len(line) - len(kept):,} characters)"


def end_of(text: str, limit: int) -> str:
    """The last lines of a long text, as the end of a traceback is what matters."""
    if len(text) <= limit:
        return text
    kept = text[-limit:].partition("\n")[2] or text[-limit:]
    return f"… ({len(text) - len(kept):,} characters before this left out)\n{kept}"


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
