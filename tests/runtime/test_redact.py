"""No secret and nothing personal gets through; everything else does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts_runtime.redaction import redact as module
from alerts_runtime.redaction.redact import known_secrets, redact
from alerts_runtime.redaction.values import redact_processor, redact_value

HEX = "0123456789abcdef" * 2
SLACK_HOOK = "https://hooks.slack.com/services/T024BE7LD/B01ABCDEF/"

HIDDEN = [
    # Stripe
    ("key sk_live_51HabcDEF0123 is wrong", "key [secret] is wrong"),
    ("Invalid API Key provided: sk_test_****************4242", "Invalid API Key provided: [secret]"),
    ("rk_test_51Habcd pk_live_51Habcd whsec_a1B2c3+/=", "[secret] [secret] [secret]"),
    # Slack
    ("xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy!", "[secret]!"),
    ("xapp-1-A02-123-abc and xoxe.xoxp-1-Mi0yLTE", "[secret] and [secret]"),
    (f"POST {SLACK_HOOK}XXXXXXXXXXXX failed", "POST https://hooks.slack.com/services/[secret] failed"),
    # Twilio: 32 hex digits are a secret only where a word says so
    (f"twilio auth is {HEX}.", "twilio auth is [secret]."),
    (f"auth_token {HEX}", "auth_token [secret]"),
    # AWS
    ("AKIAIOSFODNN7EXAMPLE", "[secret]"),
    ("key AKIAIOSFODNN7EXAMPLE of ASIAIOSFODNN7EXAMPLE", "key [secret] of [secret]"),
    ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPx", "AWS_SECRET_ACCESS_KEY=[secret]"),
    (
        "{'SecretAccessKey': 'wJalr+XUtn/FEMI=', 'SessionToken': 'IQoJ=='}",
        "{'SecretAccessKey': '[secret]', 'SessionToken': '[secret]'}",
    ),
    ("aws_session_token = IQoJb3JpZ2luX2VjE//==", "aws_session_token = [secret]"),
    ("x-amz-security-token:IQoJb3JpZ2lu\n\nhost", "x-amz-security-token:[secret]\n\nhost"),
    (
        f"Credential=AKIAIOSFODNN7EXAMPLE/20261122/eu/ses/aws4_request, SignedHeaders=host, Signature={HEX * 2}",
        "Credential=[secret], SignedHeaders=host, Signature=[secret]",
    ),
    (f"?X-Amz-SignedHeaders=host&X-Amz-Signature={HEX * 2}", "?X-Amz-SignedHeaders=host&X-Amz-Signature=[secret]"),
    # headers
    ("Authorization: Bearer abc.def-123", "Authorization: Bearer [secret]"),
    ("sent Basic QUMxOnNlY3JldA== to it", "sent Basic [secret] to it"),
    ("{'Authorization': 'Basic QUMx'}", "{'Authorization': '[secret]'}"),
    # URLs
    ("postgres://alerts:s3cr3t@db:5432/alerts", "postgres://[secret]@db:5432/alerts"),
    ("amqp://u:p@ss@mq/", "amqp://[secret]@mq/"),
    ("amqps://alerts:p%40ss@mq:5671//: ACCESS_REFUSED", "amqps://[secret]@mq:5671//: ACCESS_REFUSED"),
    (
        "Error 111 connecting to redis://:hunter2@cache:6379/0.",
        "Error 111 connecting to redis://[secret]@cache:6379/0.",
    ),
    ("rediss://alerts:a:b@c@cache/0", "rediss://[secret]@cache/0"),
    (
        "sentinel://:s3cr3t@a:26379;sentinel://:s3cr3t@b:26379",
        "sentinel://[secret]@a:26379;sentinel://[secret]@b:26379",
    ),
    ("https://0a1b2c@sentry.example/1", "https://[secret]@sentry.example/1"),
    ("GET /x?a=1&access_token=abc&b=2", "GET /x?a=1&access_token=[secret]&b=2"),
    # assignments: plain, Python, JSON, JSON within JSON
    ("password=hunter2 host=db", "password=[secret] host=db"),
    ("password=hunter,2) host=db", "password=[secret]) host=db"),
    ("PASSWORD: hunter2", "PASSWORD: [secret]"),
    ("connect(token='ab\\'c d', x=1)", "connect(token='[secret]', x=1)"),
    ("{'secret': b'ab cd', 'x': 1}", "{'secret': '[secret]', 'x': 1}"),
    ('{"api_key": "a\\"b c", "x": 1}', '{"api_key": "[secret]", "x": 1}'),
    ('{"client_secret":"pi_1_secret_2","x":1}', '{"client_secret":"[secret]","x":1}'),
    ('"{\\"token\\": \\"a b\\", \\"x\\": 1}"', '"{\\"token\\": [secret], \\"x\\": 1}"'),
    ('{"tokens": ["a", "b c"], "x": 1}', '{"tokens": [secret], "x": 1}'),
    ('cut off: {"password": "hunter2 and th', 'cut off: {"password": "[secret]'),
    # cards: Visa, with dashes, American Express, Diners, 19 digits; among other numbers
    ("card 4242424242424242 declined", "card [card] declined"),
    ("5555-5555-5555-4444, 3782 822463 10005", "[card], [card]"),
    ("30569309025904 6304000000000000000x", "[card] [card]x"),
    ("2026 12 4242 4242 4242 4242 99", "2026 12 [card] 99"),
    # email addresses
    ("from Jane.Doe+x@mail.example.co.uk.", "from [email]."),
    ("?email=jane%40example.com&x=1", "?email=[email]&x=1"),
    ("<jürgen@bücher.example>", "<[email]>"),
    # telephone numbers
    ("to +4915112345678, +1 (415) 555-2671", "to [phone], [phone]"),
    # PostgreSQL's DETAIL, which quotes the row
    (
        "duplicate key\nDETAIL:  Key (name)=(Jane (Doe)) already exists.\nHINT: none",
        "duplicate key\nDETAIL: [data]\nHINT: none",
    ),
    ("DETAIL:  Failing row contains (1, Jane\nDoe).\n\nDuring", "DETAIL: [data]\n\nDuring"),
    ("DETAIL:  Key (name)=(Jane\nDoe) already exists.\nnext", "DETAIL: [data]\nnext"),
    ("DETAIL:  Failing row contains (1, Dear Jane.\nBye).\nnext", "DETAIL: [data]\nnext"),
    ("Key (email)=(jane) already exists", "Key (email)=([data]) already exists"),
    # tokens by their own form: whole ones, and ones that are shorter or longer than their makers make them
    ("pi_3MtwBwLk_secret_YrKJUKribc failed", "pi_3MtwBwLk_[secret] failed"),
    ("seti_1Mm8s8_secret_NXDIC, cs_test_a1_secret_fid", "seti_1Mm8s8_[secret], cs_test_a1_[secret]"),
    ("sub=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1", "sub=[secret]"),
    ("ghp_16C7e42F292c6912E7710c838347Ae178B4a!", "[secret]!"),
    ("github_pat_11ABCDEFG0abcdefghij_k", "[secret]"),
    ("glpat-abcdefghij0123456789", "[secret]"),
    ("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", "[secret]"),
    ("AIzaSyDaGmWKa4JsXZ-HjGw7ISLn_3namBGewQe", "[secret]"),
    ("pypi-AgEIcHlwaS5vcmcCJDYwYjQ", "[secret]"),
    ("xkeysib-0123456789abcdef-XyZ", "[secret]"),
    ("key-3ax6xnjp29jd6fds4gc373sgvjxteol0 key-0123456789abcdef0123456789abcdef", "[secret] [secret]"),
    (f"SK{HEX}", "[secret]"),
    ("123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0", "[secret]"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----.", "[secret]."),
    ("'-----BEGIN PRIVATE KEY-----\\nMIIEvQ=='", "'[secret]'"),
    # pairs, options, headers, query strings
    (
        "('password', 'x y'), ['--password', 'x'], ['-v', '--token', 'x']",
        "('password', '[secret]'), ['--password', '[secret]'], ['-v', '--token', '[secret]']",
    ),
    ("curl -u alice:hunter2 https://a", "curl -u [secret] https://a"),
    ("Authorization:\t\tBearer\tabcdefgh", "Authorization:\t\tBearer\t[secret]"),
    ("Cookie: sessionid=abc; x=y\nHost: a", "Cookie: [secret]\nHost: a"),
    ("{'Set-Cookie': 'a=b; c=d', 'Host': 'a'}", "{'Set-Cookie': '[secret]', 'Host': 'a'}"),
    ("pw=hunter2 and pass=hunter2", "pw=[secret] and pass=[secret]"),
    ("/cb?code=abc&state=1&sig=x&auth=y", "/cb?code=[secret]&state=1&sig=[secret]&auth=[secret]"),
    ("postgres://u:pa/ss#w@db:5432/x", "postgres://[secret]@db:5432/x"),
    # what proves or finds a person
    ("DE89 3704 0044 0532 0130 00 paid, GB82WEST12345698765432", "[data] paid, [data]"),
    ('cvc=123 "cvc": "123" id_number: 000000000', 'cvc=[secret] "cvc": "[secret]" id_number: [secret]'),
    ("SSN 219-09-9999, NINO AB123456C", "SSN [data], NINO [data]"),
    ("0049 151 2345678, (415) 555-2671, 415-555-2671, 0151 23456789", "[phone], [phone], [phone], [phone]"),
    ("phone=4915112345678", "phone=[secret]"),
    ("4242.4242.4242.4242 4242_4242_4242_4242 4242\u00a04242\u00a04242\u00a04242", "[card] [card] [card]"),
    ("\uff14\uff12" * 8, "[card]"),
    ('"john doe"@example.com', "[email]"),
    # PostgreSQL's words that quote a value
    ('invalid input syntax for type integer: "Jane Doe"', "invalid input syntax for type integer: [data]"),
    ('HINT:  Ask "Jane Doe".\nnext', "HINT: [data]\nnext"),
    # what it says in other words and languages, and the statement, which holds values
    ("D\u00c9TAIL :  La cl\u00e9 \u00ab (name)=(Jane Doe) \u00bb existe.", "D\u00c9TAIL: [data]"),
    ('value "99999999999" is out of range for type integer', "value [data] is out of range for type integer"),
    ('date/time field value out of range: "Jane"', "date/time field value out of range: [data]"),
    ('invalid value "Jane" for "YYYY"', 'invalid value [data] for "YYYY"'),
    ("x\nLINE 1: select 'Jane Doe'::int\n   ^", "x\nLINE 1: [data]\n   ^"),
    ("QUERY:  select 'Jane'\nCONTEXT:  JSON data, line 1: {\"name\": Jane", "QUERY:  [data]\nCONTEXT:  [data]"),
    (
        "[type=int_parsing, input_value='Jane Doe', input_type=str]",
        "[type=int_parsing, input_value=[data], input_type=str]",
    ),
    # more tokens that are told by their prefix, and hashes of passwords
    (f"dop_v1_{HEX * 2} shpat_{HEX} rubygems_{HEX} glsa_{HEX}_a1b2c3d4 dapi{HEX}", " ".join(["[secret]"] * 5)),
    (
        f"hvs.CAESIJlabcdefgh01234 dckr_pat_{HEX} lin_api_{HEX} NRAK-{HEX.upper()} sk-ant-api03-{HEX}",
        " ".join(["[secret]"] * 5),
    ),
    ("/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0/send", "/[secret]/send"),
    ("pbkdf2_sha256$600000$abcdefghij01$klmnopqrst= of bob", "[secret] of bob"),
    ("uk_live_51Habcd rkcs_test_51Habcd", "[secret] [secret]"),
    # addresses that are a key
    ("https://discord.com/api/webhooks/12345/AbCd-ef failed", "https://discord.com/api/webhooks/[secret] failed"),
    ("see https://invoice.stripe.com/i/acct_1/live_YWNj?s=ap", "see https://invoice.stripe.com/[secret]?s=ap"),
    # headers of any scheme
    ("Authorization: GenieKey abc-123-def", "Authorization: [secret]"),
    ('Authorization: Digest username="bob", realm="x y", response="ab"', "Authorization: [secret]"),
    ("[(b'authorization', b'abc'), (b'host', b'a')]", "[(b'authorization', '[secret]'), (b'host', b'a')]"),
    (f"X-Hub-Signature-256: sha256={HEX}", "X-Hub-Signature-256: [secret]"),
    ("Bearer\tabc123def Bearer%20abc123def", "Bearer\t[secret] Bearer%20[secret]"),
    ("cookies={'a': 'b'}; cookie=a%3Db", "cookies=[secret]; cookie=[secret]"),
    # shells
    ("cli --api-key a-b-c --verbose", "cli --api-key [secret] --verbose"),
    ("psql --password 'a b' -h db", "psql --password [secret] -h db"),
    ("['curl', '-u', 'bob:hunter2', 'x']", "['curl', '-u', '[secret]', 'x']"),
    ("mysql -u root -phunter2 db, sshpass -p hunter2 ssh a", "mysql -u root -p[secret] db, sshpass -p [secret] ssh a"),
    # values that are values of something, or stand on a line of their own
    ("credentials=Credentials(user='a', word='b'), x=1", "credentials=[secret], x=1"),
    ('{"tokens": [["a", 1], ["x", "b"]], "n": 2}', '{"tokens": [secret], "n": 2}'),
    ("{'dob': {'day': 1, 'year': 1980}, 'n': 2}", "{'dob': [secret], 'n': 2}"),
    ('"password":\n    "a b"', '"password":\n    "[secret]"'),
    ("secret: |\n  a\n  b\nnext: c", "secret: [secret]\nnext: c"),
    ("{'name': 'password', 'value': 'a b'}", "{'name': 'password', 'value': [secret]}"),
    ('{"key":"STRIPE_API_KEY","value":"a b"}', '{"key":"STRIPE_API_KEY","value":[secret]}'),
    ('<input name="password" value="a b">', '<input name="password" value=[secret]>'),
    ('form-data; name="password"\n\nhunter2\n--x', 'form-data; name="password"\n\n[secret]\n--x'),
    ('<wsse:Password Type="x">hunter2</wsse:Password>', '<wsse:Password Type="x">[secret]</wsse:Password>'),
    # forms and addresses within addresses
    ("password%5B0%5D=a&card[cvc]=123&x=1", "password%5B0%5D=[secret]&card[cvc]=[secret]&x=1"),
    ("?next=%2Fx%3Ftoken%3Dabc", "?next=%2Fx%3Ftoken%3D[secret]"),
    ("url=postgres%3A%2F%2Fu%3Ahunter2%40db", "url=postgres%3A%2F%2F[secret]%40db"),
    # sentences
    ("wrong password 'hunter 2' for bob", "wrong password '[secret]' for bob"),
    ("the token is abc123def, token abc123def is old", "the token is [secret], token [secret] is old"),
    ("ALTER USER x WITH PASSWORD 'a b'", "ALTER USER x WITH PASSWORD '[secret]'"),
    # characters that look alike, or like nothing
    ("pass\u200bword=a pass\u00adword=b pass\u200dword=c", "password=[secret] password=[secret] password=[secret]"),
    (
        "\uff50\uff41\uff53\uff53\uff1da password\uff1ab password\u00a0=\u00a0c",
        "pass=[secret] password:[secret] password = [secret]",
    ),
    ("sk_live_ab\u200bcd, jane\uff20example.com, a\u202eb", "[secret], [email], ab"),
    ("+49\u00a0151\u202f12345678 +1\u2011415\u2011555\u20112671", "[phone] [phone]"),
    ("+49 (0) 151 12345678, 06 12 34 56 78, 415.555.2671", "[phone], [phone], [phone]"),
    ("415.555.2671", "[phone]"),
    ("4242+4242+4242+4242 4242%204242%204242%204242 4242\t4242\t4242\t4242", "[card] [card] [card]"),
    ("de89370400440532013000 DE89-3704-0044-0532-0130-00", "[data] [data]"),
    # what PostgreSQL or a terminal would not take
    ("a\x00b\ud800c\x1b[31m\r\n\td\x7f\x9b", "a\ufffdb\ufffdc[31m\n\td"),
]

KEPT = [
    # ids, sums, times
    "evt_1NG8Du2eZvKYlo2CUI79vXWy cus_9s6XKzkNRiz8i3 pi_3MtwBwLkdIwHu7ix28a3tqPa acct_1032D82eZvKYlo2C",
    "EUR 18,420.00 at risk, 413 events since 2026-11-22 14:02:33.123456+02:00",
    "1763820153 1763820153123 1763820153123456 1763820153123456789",
    "4242424242424241 is no card, 42424242424242424242424242 neither, nor is 1234-5678-9012",
    "from 2026-11-22 2026-11-23",
    f"AC{HEX} {HEX} f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "EUR 1,250.00 at 09:30, 10.0.0.12, 3.141592653589793, version 1.2.3-4, order 2026-0011, line 120",
    "https://host:8080/path?x@y",
    "HINT: You might need to add explicit type casts.",
    "first pass: ok, mobile: yes, one of 'token', 'id' is missing",
    "/home/app/releases/20261127114357/shop/handlers.py, file 30061127114353",
    "No such checkout session: 'cs_test_a11YYufWQzNY63zpQ6QSNRQhkUpVph4WRmzW0zWJO2znZKdVujZ0N0S22u'",
    "01 02 03 04 05 06 07, 06 12 34 56 78 90 12",
    'relation "nosuch" does not exist\nLINE 1: select * from nosuch where id=12345\n   ^',
    "CONTEXT:  PL/pgSQL function inline_code_block line 1 at EXECUTE",
    "token evt_1NG8Du2eZvKYlo2CUI79vXWy, signature 2026-11-27T11:43:57, secret we_1Mr5jULkdIwHu7ix1ibLTM0x",
    "npm_config_registry_of_the_whole pypi-mirror-of-our-own-company sk-learn-extra-and-more-things"
    " glc_of_all_the_long_words_here",
    'missing 1 required positional argument: \'password\', column "password_hash" of relation "auth_user"',
    "Authorization header, using Bearer auth. The basic plan is full",
    "Missing required param: payment_method_data[card][number].",
    # words
    "password authentication failed for user, basic authentication refused, bearer of news",
    "KeyError: 'token'",
    "token=None, password='', secret: null",
    "https://dashboard.stripe.com/test/events/evt_1 and git@host, @on, +1 and +100 more",
    "OperationalError: server closed the connection unexpectedly\n\tin billing/handlers.py:84",
    "Grüße, 日本 🎉",
]


@pytest.mark.parametrize(("text", "expected"), HIDDEN, ids=[text[:30] for text, _ in HIDDEN])
def test_hides(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize("text", KEPT, ids=[text[:30] for text in KEPT])
def test_keeps(text: str) -> None:
    assert redact(text) == text


# --- Secrets of the settings ------------------------------------------------------------------------------------------


@pytest.fixture
def secrets() -> Iterator[None]:
    module._secrets_of_settings.cache_clear()
    with override_settings(
        SECRET_KEY="the-secret-key-of-django",
        STRIPE_API_KEY="odd format of a stripe key",
        WEBHOOKS={"ENDPOINTS": {"a": {"SECRETS": ["first-signing", "second-signing", "short"]}}},
        SLACK_BOT_TOKEN="slack-odd-token",
        SLACK_CHANNEL="#payments",
        TWILIO_AUTH_TOKEN="twilio-odd-token",
        ANYMAIL={"BREVO_API_KEY": "brevo-odd-key", "BREVO_API_URL": "https://brevo.example"},
        MAILERS={"default": {"OPTIONS": {"password": "smtp p@ssword", "host": "smtp.example"}}},
    ):
        yield
    module._secrets_of_settings.cache_clear()


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize(
    "literal",
    [
        "the-secret-key-of-django",
        "odd format of a stripe key",
        "first-signing",
        "second-signing",
        "slack-odd-token",
        "twilio-odd-token",
        "brevo-odd-key",
        "smtp p@ssword",
        "smtp%20p%40ssword",  # as it stands in a URL
    ],
)
def test_hides_secrets_of_the_settings_whatever_they_look_like(literal: str) -> None:
    assert redact(f"it said <{literal}>") == "it said <[secret]>"


@pytest.mark.usefixtures("secrets")
def test_keeps_settings_that_are_no_secret_and_words_that_are_too_short_to_be_one() -> None:
    assert redact("#payments https://brevo.example smtp.example a short word") == (
        "#payments https://brevo.example smtp.example a short word"
    )
    assert list(known_secrets()) == sorted(known_secrets(), key=len, reverse=True)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module._secrets_of_settings.cache_clear()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session token of aws")
    monkeypatch.setenv("BROKER_URL", "amqp://alerts:broker%20word@mq:5672//")
    monkeypatch.setenv("REDIS_URL", "redis://:redis-word@[cache:6379/0")  # a mistake must not break the redaction
    yield
    module._secrets_of_settings.cache_clear()


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    "literal",
    [
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "wJalrXUtnFEMI%2FK7MDENG%2FbPxRfiCYEXAMPLEKEY",
        "session token of aws",
        "broker word",
        "broker%20word",
    ],
)
def test_hides_secrets_that_libraries_read_from_the_environment(literal: str) -> None:
    assert redact(f"it said <{literal}>") == "it said <[secret]>"
    assert redact("mq of alerts at 5672") == "mq of alerts at 5672"


# --- Limits -----------------------------------------------------------------------------------------------------------


def test_cuts_between_words_and_says_how_much() -> None:
    assert redact("word " * 400, limit=60) == "word word word word word word word… [1,966 characters cut]"


def test_a_cut_leaves_no_half_of_a_secret() -> None:
    text = "a" * 20 + "sk_live_" + "b" * 40 + " end"
    for limit in range(len(text)):
        assert "b" not in redact(text, limit=limit)


def test_cutting_again_counts_what_was_cut_before() -> None:
    once = redact("word " * 400, limit=100)
    assert redact(once, limit=60) == redact("word " * 400, limit=60)


# --- What always holds ------------------------------------------------------------------------------------------------

_MARKS = ["[secret]", "[card", "[email]", "[phone]", "[data]", "… [1,234 characters cut]", "… ["]
_PIECES = ["password", "token", "secret", "auth", "=", ":", " ", '"', "'", "\\", "[", "]", "(", ")", "{", "}", ","]
_PIECES += ["DETAIL:", "HINT:", "Key (", "(a)=(", "\n", "\0", "\ud800", "\x01", "@", "a@b.co", "%40", "://", "u:p@"]
_PIECES += ["sk_live_", "whsec_", "abcd1234", "xoxb-", "hooks.slack.com/services/", "Bearer ", "None", "&", ";"]
_PIECES += [
    "is ",
    "--",
    "-u",
    "name=",
    "value=",
    "<",
    ">",
    "</",
    "%3D",
    "%20",
    "->",
    "|\n a",
    "LINE 1: ",
    "hvs.",
    "\u200d",
    "\u00a0",
]
_PIECES += [
    "authorization: Digest ",
    ", a=",
    ")=(",
    "06 12 34 56 78",
    "input_value=",
    'value "',
    "cookie",
    "pass",
    "mysql -p",
]
_PIECES += ["https://invoice.stripe.com/", "password ", "token ", "abcd1234"]
_PIECES += ["ghp_", "_secret_", "eyJabcde.", "SG.", "AIza", "-----BEGIN PRIVATE KEY-----", "Cookie:", "-u ", "?sig="]
_PIECES += [
    "('",
    "', '",
    "--token",
    "DE89370400440532013000",
    "DE89 3704",
    "0049",
    "415-555-",
    "2671",
    "HINT: ",
    "4242.",
]
_PIECES += ["4242", "4242424242424242", "4242 4242 4242 4242", "424", "-", "+", "49", "+4915112345678", HEX, "é", "٣"]
texts = st.lists(st.sampled_from(_MARKS + _PIECES) | st.text(max_size=4), max_size=30).map("".join)


@settings(max_examples=500)
@given(texts)
def test_redacting_twice_changes_nothing_and_the_result_can_be_stored(text: str) -> None:
    once = redact(text)
    assert redact(once) == once
    assert "\0" not in once
    once.encode()


@settings(max_examples=500)
@given(texts, st.integers(0, 200))
def test_a_cut_text_fits_and_stays_as_it_is(text: str, limit: int) -> None:
    cut = redact(text, limit=limit)
    assert len(cut) <= limit
    assert redact(cut, limit=limit) == cut
    assert redact(cut) == cut


_pieces = st.sampled_from(["sk_live_", "rk_test_", "whsec_", "4242424242424242", "token", "49", "_", "."])


# A limit takes the way through the whole table, which a plain text is spared.
@settings(max_examples=200)
@given(st.lists(_pieces | st.from_regex(r"[\w.]{1,4}", fullmatch=True), max_size=6).map("".join))
def test_what_is_told_to_be_plain_would_have_been_kept(text: str) -> None:
    assert redact(text) == redact(text, limit=1000)


@settings(max_examples=200)
@given(
    st.text(max_size=20),
    st.sampled_from(["4242424242424242", "jane@example.com", "sk_live_abcd1234", "+4915112345678"]),
    st.sampled_from([" ", ", ", "\n", "<", "'", "(", '"']),
)
def test_a_secret_is_found_wherever_it_stands(around: str, secret: str, mark: str) -> None:
    assert secret not in redact(f"{around}{mark}{secret}{mark}{around}")


_HARD = [
    *("a", "1", "1234 ", "4242 ", "password=", 'token="', "token=[", "Bearer ", "a@", "a.", "a@b.", "://", "://a@"),
    *("Key (a)=(", "DETAIL: ", "DETAIL:\n", "+1", "+1 22", "token", "('a', "),
    *("-u a", "?sig", "a:b/", "0151 ", "415-", "DE89 ", "eyJ", "eyJaaaaa.", "-----BEGIN PRIVATE KEY-----", "4242."),
    *("cookie:", "['--", "x_secret", "_secret_", "aaaa_", 'HINT: "', '"', "://a:", "00 49", "gloas-", "--token',"),
    *(
        "06 ",
        "secret is ",
        "--password ",
        'name="password"',
        "<password>",
        "password:\n ",
        "token=a(",
        "token=[[",
        "LINE 1: '",
    ),
    *(
        "%3A%2F%2F",
        "(a)=(",
        "4242+",
        "authorization: a=1, ",
        'Authorization: Digest a="',
        "mysql -",
        "\u200b",
        "input_value=",
    ),
    *(f"auth {HEX[:16]}", 'token=\\"', "\0", "\ud800"),
]


@pytest.mark.parametrize("piece", _HARD)
def test_ten_times_the_text_takes_ten_times_as_long_and_not_a_hundred_times(piece: str) -> None:
    small, large = piece * (20_000 // len(piece)), piece * (200_000 // len(piece))
    assert _seconds(large) < 40 * max(_seconds(small), 0.002)  # with room for a busy machine


def test_a_megabyte_is_redacted_in_seconds() -> None:
    assert _seconds("\n".join(piece * (1_000_000 // len(_HARD) // len(piece)) for piece in _HARD)) < 10


def _seconds(text: str) -> float:
    began = time.process_time()
    redact(text)
    return time.process_time() - began


# --- Log lines --------------------------------------------------------------------------------------------------------


def test_every_value_of_a_log_line_is_redacted_also_in_depth_and_by_its_name() -> None:
    line: dict[str, Any] = {
        "event": "sent to jane@example.com",
        "token": "abc",
        "attempt": 3,
        "error": ValueError("password=hunter2"),
        "details": {"to": ["+4915112345678"], "api_key": "abc", "ok": True, "none": None},
    }
    assert redact_processor(None, "info", line) == {
        "event": "sent to [email]",
        "token": "[secret]",
        "attempt": 3,
        "error": "password=[secret]",
        "details": {"to": ["[phone]"], "api_key": "[secret]", "ok": True, "none": None},
    }


class Login(NamedTuple):
    user: str
    password: str


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([("Authorization", "a"), ("Host", "b")], [["Authorization", "[secret]"], ["Host", "b"]]),
        (("password", "a"), ["password", "[secret]"]),
        (["psql", "--password", "a", "-h", "db"], ["psql", "--password", "[secret]", "-h", "db"]),
        (["curl", "-u", "bob:a", "-v"], ["curl", "-u", "[secret]", "-v"]),
        ({"name": "password", "value": "a"}, {"name": "password", "value": "[secret]"}),
        ({"name": "colour", "value": "a"}, {"name": "colour", "value": "a"}),
        ({"password": {"new": "a", "old": ["b"]}}, {"password": {"new": "[secret]", "old": ["[secret]"]}}),
        ({b"password": b"a", "token": b"b"}, {"password": "[secret]", "token": "[secret]"}),
        ({"cvc": 123, "phone": 4915112345678}, {"cvc": "[secret]", "phone": "[secret]"}),
        ({"auth": ("bob", "a")}, {"auth": ["[secret]", "[secret]"]}),
        (Login("bob", "a"), {"user": "bob", "password": "[secret]"}),
        ({"password1": "a", "password_confirm": "a"}, {"password1": "[secret]", "password_confirm": "[secret]"}),
        ({"token": None, "secret": "", "is_password": True}, {"token": None, "secret": "", "is_password": True}),
        (["token", "id", "name"], ["token", "id", "name"]),
    ],
)
def test_what_a_name_says_is_secret_is_hidden_however_the_two_stand_together(value: Any, expected: Any) -> None:
    assert redact_value(value) == expected
