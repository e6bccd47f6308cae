from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.facts import Money
from notifier.judge.money import add, format_money, format_sums, parse_amount

quick = settings(max_examples=25)


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        (1842000, "eur", "EUR 18,420.00"),
        (5, "usd", "USD 0.05"),
        (0, "eur", "EUR 0.00"),
        (-350, "eur", "EUR -3.50"),
        (-5, "eur", "EUR -0.05"),
        (1842000, "EUR", "EUR 18,420.00"),
        (10**20, "eur", "EUR 1,000,000,000,000,000,000.00"),
        # no decimals
        (500, "jpy", "JPY 500"),
        (1500000, "krw", "KRW 1,500,000"),
        (-500, "jpy", "JPY -500"),
        (0, "jpy", "JPY 0"),
        # three decimals
        (5120, "kwd", "KWD 5.120"),
        (10, "bhd", "BHD 0.010"),
        (-1234560, "jod", "JOD -1,234.560"),
        # none, but written in hundredths
        (500, "isk", "ISK 5"),
        (125000, "ugx", "UGX 1,250"),
        (0, "isk", "ISK 0"),
        (550, "isk", "ISK 5.50"),  # Stripe does not send this; if it did, nothing would be lost
        # none in payouts, two in charges
        (1045, "huf", "HUF 10.45"),
        (80045, "twd", "TWD 800.45"),
        # unknown to Stripe
        (1234, "xyz", "XYZ 12.34"),
    ],
)
def test_format_money(amount: int, currency: str, expected: str) -> None:
    assert format_money(Money(amount, currency)) == expected


@pytest.mark.parametrize(
    ("text", "currency", "expected"),
    [
        ("1250.00", "eur", 125000),
        ("1250", "eur", 125000),
        ("1250.5", "EUR", 125050),
        ("0.05", "usd", 5),
        ("-3.50", "eur", -350),
        ("0", "eur", 0),
        (" 12 ", "eur", 1200),
        ("500", "jpy", 500),
        ("5.12", "kwd", 5120),
        ("5.125", "kwd", 5125),
        ("5", "isk", 500),
        ("10.45", "huf", 1045),
        ("12.34", "xyz", 1234),
    ],
)
def test_parse_amount(text: str, currency: str, expected: int) -> None:
    assert parse_amount(text, currency) == expected


@pytest.mark.parametrize(
    ("text", "currency", "complaint"),
    [
        ("", "eur", 'not an amount: .* such as "1250.00"'),
        ("1,250.00", "eur", "no commas"),
        ("1250,00", "eur", "no commas"),
        ("EUR 1250", "eur", "no currency"),
        ("1e3", "eur", "not an amount"),
        ("12.", "eur", "not an amount"),
        (".5", "eur", "not an amount"),
        ("nan", "eur", "not an amount"),
        ("9" * 16, "eur", "not an amount"),
        ("12.345", "eur", 'EUR has at most 2 decimals; write it such as "1250.00"'),
        ("5.1234", "kwd", 'KWD has at most 3 decimals; write it such as "1250.000"'),
        ("500.00", "jpy", 'JPY has no decimals; write it such as "1250"'),
        ("5.50", "isk", 'ISK has no decimals; write it such as "1250"'),
    ],
)
def test_a_wrong_amount_is_explained_with_an_example(text: str, currency: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_amount(text, currency)


EUR, USD, JPY = Money(1842000, "eur"), Money(31000, "usd"), Money(90000, "jpy")


@pytest.mark.parametrize(
    ("monies", "expected"),
    [
        pytest.param([], (), id="no money"),
        pytest.param([Money(100, "eur"), Money(250, "eur")], (Money(350, "eur"),), id="one currency"),
        pytest.param([Money(100, "EUR"), Money(250, "eur")], (Money(350, "eur"),), id="however it is written"),
        pytest.param([USD, EUR], (EUR, USD), id="currencies are never added; by their codes"),
        pytest.param([JPY, EUR], (EUR, JPY), id="never by amount: JPY 90,000 is less than EUR 18,420"),
        pytest.param([Money(100, "usd"), Money(100, "eur")], (Money(100, "eur"), Money(100, "usd")), id="a tie"),
        pytest.param([USD, Money(-EUR.amount, "eur")], (Money(-EUR.amount, "eur"), USD), id="a big refund"),
        pytest.param([EUR, Money(-EUR.amount, "eur")], (Money(0, "eur"),), id="nothing is left of it"),
    ],
)
def test_add(monies: list[Money], expected: tuple[Money, ...]) -> None:
    assert add(monies) == expected


@pytest.mark.parametrize(
    ("monies", "expected"),
    [
        ([], ""),
        ([EUR], "EUR 18,420.00"),
        ([USD, EUR], "EUR 18,420.00 and USD 310.00"),
        ([USD, EUR, JPY], "EUR 18,420.00, JPY 90,000 and USD 310.00"),
        ([Money(0, "eur")], "EUR 0.00"),
        ([Money(-350, "eur"), USD], "EUR -3.50 and USD 310.00"),
    ],
)
def test_format_sums(monies: list[Money], expected: str) -> None:
    assert format_sums(monies) == expected


currencies = st.sampled_from(["eur", "usd", "jpy", "kwd", "isk", "huf", "xyz"])


@quick
@given(st.integers(-(10**12), 10**12), currencies)
def test_what_is_shown_is_what_is_meant(amount: int, currency: str) -> None:
    money = Money(amount * 100 if currency == "isk" else amount, currency)
    code, number = format_money(money).split()
    assert code == currency.upper()
    assert parse_amount(number.replace(",", ""), currency) == money.amount


@quick
@given(st.lists(st.builds(Money, st.integers(-(10**9), 10**9), currencies), max_size=12))
def test_totals_neither_lose_nor_mix_money_whatever_the_order(monies: list[Money]) -> None:
    totals = add(monies)
    expected: Counter[str] = Counter()
    for money in monies:
        expected[money.currency] += money.amount
    assert {t.currency: t.amount for t in totals} == dict(expected)
    assert add(reversed(monies)) == totals
