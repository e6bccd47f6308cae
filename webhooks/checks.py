"""`manage.py check`: what is wrong in settings.WEBHOOKS, and where. No message has a value that may be a secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.urls import NoReverseMatch, reverse

from alerts_runtime import exception_paths
from alerts_runtime.redaction.redact import redact
from webhooks.conf import ENDPOINT_KEYS, KEYS, MESSAGES, MODES, MOST, NUMBERS, RETRY_KEYS, RETRY_NUMBERS, fits, strings

_VERSION = re.compile(r"\s*\d{4}-\d{2}-\d{2}")
_SLUG = re.compile(r"[-a-zA-Z0-9_]{1,100}")
CALLBACK = "DJSTRIPE_WEBHOOK_EVENT_CALLBACK"


@register(Tags.security)
def check_webhooks(**_: Any) -> list[CheckMessage]:
    return [*_callback(), *_webhooks(getattr(settings, "WEBHOOKS", None))]


def _callback() -> Iterator[CheckMessage]:
    if hasattr(settings, CALLBACK):
        yield CheckWarning(
            f"{CALLBACK} is set, but nothing reads it any more.",
            hint="Handlers registered with @on(...) and the signals replace it: "
            "docs/howto/from-callback-to-signals.md. Then remove the setting.",
            id="webhooks.W001",
        )


def _webhooks(raw: Any) -> Iterator[CheckMessage]:
    if raw is None:
        yield _absent("WEBHOOKS is not set")
        return
    if not isinstance(raw, Mapping):
        yield Error("WEBHOOKS is not a dict.", hint='Write WEBHOOKS = {"ENDPOINTS": {...}}.', id="webhooks.E001")
        return
    yield from _unknown_keys("WEBHOOKS", raw, KEYS)
    yield from _numbers("WEBHOOKS", raw, NUMBERS)
    yield from _mode("WEBHOOKS", raw)
    yield from _messages("WEBHOOKS", raw)
    yield from _endpoints(raw.get("ENDPOINTS"))
    yield from _retry(raw.get("RETRY", {}))


def _endpoints(endpoints: Any) -> Iterator[CheckMessage]:
    path = 'WEBHOOKS["ENDPOINTS"]'
    if not endpoints:
        yield _absent(f"{path} names no endpoint")
        return
    if not isinstance(endpoints, Mapping):
        hint = 'Write {"default": {"SECRETS": ["whsec_..."]}}.'
        yield Error(f"{path} is not a dict.", hint=hint, id="webhooks.E003")
        return
    for name, options in endpoints.items():
        yield from _endpoint(name, options, f"{path}[{_shown(name)}]")


def _absent(what: str) -> CheckMessage:
    """A warning and no error, so that a site that has just installed this can migrate, and is told what to add."""
    hint = "`manage.py notifier_setup` prints the lines, if `notifier` is installed. An endpoint is written such as "
    hint += '{"default": {"SECRETS": ["whsec_..."]}}.'
    return CheckWarning(f"{what}, so nothing can be received.", hint=hint, id="webhooks.W012")


@register(Tags.urls)
def receiver_has_a_url(**_: Any) -> list[CheckMessage]:
    try:
        reverse("webhooks:receive", args=["default"])
    except NoReverseMatch:
        hint = 'Add path("", include("webhooks.urls")) to the urlpatterns: then Stripe posts to /stripe/default/.'
        return [CheckWarning("No URL leads to the receiver of events.", hint=hint, id="webhooks.W013")]
    return []


def _endpoint(name: Any, options: Any, path: str) -> Iterator[CheckMessage]:
    if not isinstance(name, str) or not _SLUG.fullmatch(name):
        yield Error(
            f"{path}: this name cannot be part of a URL.",
            hint="Use at most 100 letters, digits, hyphens and underscores.",
            id="webhooks.E007",
        )
        return
    if not isinstance(options, Mapping):
        yield Error(f"{path} is not a dict.", hint='Write {"SECRETS": ["whsec_..."]}.', id="webhooks.E001")
        return
    yield from _unknown_keys(path, options, ENDPOINT_KEYS)
    yield from _numbers(path, options, {"TOLERANCE": 0})
    yield from _mode(path, options)
    yield from _bindings(path, options)
    yield from _texts(f'{path}["SECRETS"]', options.get("SECRETS"), "whsec_...")
    yield from _secrets(name, strings(options.get("SECRETS")), path)


def _secrets(name: str, secrets: tuple[str, ...], path: str) -> Iterator[CheckMessage]:
    if not secrets:
        variable = "STRIPE_WEBHOOK_SECRET" + ("" if name == "default" else f"_{name.upper()}")
        # While one sets a site up this must not stand in the way of `migrate`.
        kind = CheckWarning if settings.DEBUG else Error
        yield kind(
            f"{path} has no signing secret, so every delivery will be refused.",
            hint=f"Set {variable} to the secret that Stripe shows for this endpoint (or `stripe listen` prints).",
            id="webhooks.E004",
        )
    for number, secret in enumerate(secrets):
        if odd := _odd_characters(secret):
            yield Error(
                f'{path}["SECRETS"][{number}] has {odd} in it, so no signature would ever match.',
                hint="Copy it again from Stripe's dashboard, without quotes. Two secrets are two texts of the list.",
                id="webhooks.E009",
            )
        if not secret.startswith("whsec_"):
            yield CheckWarning(
                f'{path}["SECRETS"][{number}] does not start with whsec_.',
                hint="An endpoint's signing secret does; an API key (sk_...) is something else.",
                id="webhooks.W002",
            )


def _texts(path: str, given: Any, example: str) -> Iterator[CheckMessage]:
    """One text, or a list of them; what is empty or None counts as left out."""
    values = given if isinstance(given, list | tuple | set) else [given]
    if any(value is not None and not isinstance(value, str) for value in values):
        yield Error(f"{path} has something in it that is not a text.", hint=f'Write ["{example}"].', id="webhooks.E011")


def _odd_characters(secret: str) -> str:
    """The kind of a character that is never part of a signing secret, in words, since the secret must not be shown."""
    for name, is_one in _ODD.items():
        if any(is_one(character) for character in secret):
            return name
    return ""


_ODD: Mapping[str, Callable[[str], bool]] = {
    "a line break": lambda character: character in "\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029",
    "a quote": lambda character: character in "\"'`\u00b4\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb",
    "a blank": str.isspace,
    "a comma": lambda character: character in ",;",
    "an invisible character": lambda character: not character.isprintable(),
    "a character outside ASCII": lambda character: not character.isascii(),
}


def _bindings(path: str, options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if not isinstance(options.get("LIVEMODE"), bool | None):
        yield Error(
            f'{path}["LIVEMODE"] is neither True nor False.',
            hint="True: live events only. False: test events only. Leave it out for both.",
            id="webhooks.E008",
        )
    version = options.get("API_VERSION", "")
    if not isinstance(version, str) or (version and not _VERSION.match(version)):
        yield Error(
            f'{path}["API_VERSION"] is not a version such as "2026-10-28.endive", so no event would be stored.',
            hint="Each event's api_version says it. Leave it out to store those of any version.",
            id="webhooks.E008",
        )


def _retry(retry: Any) -> Iterator[CheckMessage]:
    path = 'WEBHOOKS["RETRY"]'
    if not isinstance(retry, Mapping):
        yield Error(f"{path} is not a dict.", hint=f"Its keys: {', '.join(RETRY_KEYS)}.", id="webhooks.E001")
        return
    yield from _unknown_keys(path, retry, RETRY_KEYS)
    yield from _numbers(path, retry, RETRY_NUMBERS)
    yield from _texts(f'{path}["TRANSIENT"]', retry.get("TRANSIENT"), "requests.Timeout")
    for name in strings(retry.get("TRANSIENT")):
        if hint := exception_paths.doubt(name):
            text = f'{path}["TRANSIENT"]: there is no exception {_shown(name)} here, so it stands for none.'
            yield CheckWarning(text, hint=hint, id="webhooks.W014")


def _unknown_keys(path: str, raw: Mapping[Any, Any], known: Iterable[str]) -> Iterator[CheckMessage]:
    known = list(known)
    for key in raw:
        if key not in known:
            near = get_close_matches(key.upper(), known, n=1) if isinstance(key, str) else []
            yield Error(
                f"{path} has an unknown key {_shown(key)}.",
                hint=f"Did you mean {near[0]!r}?" if near else f"Known are: {', '.join(known)}.",
                id="webhooks.E002",
            )


def _shown(name: Any) -> str:
    """A name that stands in the settings, without what looks like a secret."""
    return repr(redact(name, limit=80)) if isinstance(name, str) else f"of type {type(name).__name__}"


def _numbers(path: str, raw: Mapping[str, Any], names: Iterable[str]) -> Iterator[CheckMessage]:
    for name in names:
        if name in raw and not fits(name, raw[name]):
            yield Error(f'{path}["{name}"] must be a whole number from 1 to {MOST[name]}.', id="webhooks.E006")


def _messages(path: str, raw: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if "MESSAGES" in raw and raw["MESSAGES"] not in MESSAGES:
        yield Error(
            f'{path}["MESSAGES"] is neither "full" nor "class-only".',
            hint="With class-only no text of an exception is kept or sent: its class and place say what failed.",
            id="webhooks.E005",
        )


def _mode(path: str, raw: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if "MODE" in raw and raw["MODE"] not in MODES:
        near = get_close_matches(raw["MODE"].lower(), MODES, n=1) if isinstance(raw["MODE"], str) else []
        yield Error(
            f'{path}["MODE"] is neither "worker" nor "inline".',
            hint=f"Did you mean {near[0]!r}?" if near else None,
            id="webhooks.E005",
        )
