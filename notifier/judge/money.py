"""Amounts of money as Stripe writes them and as people read them. Pure.

Stripe gives an amount in the currency's smallest unit, and its documentation says how many of them make a
whole: https://docs.stripe.com/currencies#zero-decimal, #three-decimal and #special-cases.

- Most currencies have two decimals, also here any that Stripe does not list.
- The API keeps ISK and UGX at two decimals for backward compatibility although they have none: 500 is ISK 5,
  and an amount is always a multiple of 100. (UGX also stands in the list of currencies without decimals; the
  special case is what holds for charges.)
- HUF and TWD have no decimals in payouts, where only multiples of 100 are allowed, but two in charges: 100
  units make one in both.
- The last digit of the three decimals is always 0 in amounts that Stripe accepts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from notifier.facts import Money

_ZERO_DECIMAL = frozenset(
    {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"}
)
_THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
_WHOLE_IN_HUNDREDTHS = frozenset({"isk", "ugx"})

_AMOUNT = re.compile(r"(-?)(\d{1,15})(?:\.(\d{1,15}))?", re.ASCII)


def format_money(money: Money) -> str:
    """An amount for people: "EUR 18,420.00", "JPY 500", "KWD 5.120", "EUR -3.50"."""
    currency = money.currency.lower()
    decimals = _decimals(currency)
    whole, rest = divmod(abs(money.amount), 10**decimals)
    hidden = not decimals or (currency in _WHOLE_IN_HUNDREDTHS and not rest)
    number = f"{whole:,}" if hidden else f"{whole:,}.{rest:0{decimals}}"
    return f"{currency.upper()} {'-' if money.amount < 0 else ''}{number}"


def parse_amount(text: str, currency: str) -> int:
    """The amount in the currency's smallest unit that a text such as "1250.00" stands for.

    Raises ValueError, whose text can be shown and does not repeat what was given.
    """
    code = currency.lower()
    decimals = _decimals(code)
    written = 0 if code in _WHOLE_IN_HUNDREDTHS else decimals
    example = f'write it such as "{"1250." + "0" * written if written else "1250"}"'
    found = _AMOUNT.fullmatch(text.strip())
    if not found:
        raise ValueError(f"not an amount: only digits and one decimal point, no currency and no commas; {example}")
    sign, whole, rest = found.groups(default="")
    if len(rest) > written:
        allowed = f"at most {written} decimals" if written else "no decimals"
        raise ValueError(f"{code.upper()} has {allowed}; {example}")
    return int(sign + whole + rest.ljust(decimals, "0"))


def add(monies: Iterable[Money]) -> tuple[Money, ...]:
    """One total per currency, by its code: amounts in different currencies cannot be compared."""
    totals: Counter[str] = Counter()
    for money in monies:
        totals[money.currency.lower()] += money.amount
    return tuple(Money(amount, currency) for currency, amount in sorted(totals.items()))


def format_sums(monies: Iterable[Money]) -> str:
    """The totals for people: "EUR 18,420.00 and USD 310.00"; empty when there is no money at all."""
    *most, last = [format_money(total) for total in add(monies)] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def _decimals(currency: str) -> int:
    """How many digits of Stripe's amount stand behind the decimal point."""
    return 0 if currency in _ZERO_DECIMAL else 3 if currency in _THREE_DECIMAL else 2
