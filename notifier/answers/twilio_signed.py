"""Whether a request comes from Twilio: signed with a channel's token, for the public URL that Twilio was given."""

from __future__ import annotations

from django.http import HttpRequest

from notifier.answers.set_up import channels


def urls(option: str) -> list[tuple[str, str]]:
    """The auth token and the URL of each channel that has this option, each pair once."""
    found = [(channel.options.get("auth_token"), channel.options.get(option)) for channel in channels()]
    return list(dict.fromkeys((str(token), str(url)) for token, url in found if token and url))


def can_be_stored(request: HttpRequest) -> bool:
    """Whether no value has a NUL in it, which PostgreSQL cannot store."""
    return not any("\0" in value for values in (request.GET, request.POST) for value in values.values())


def is_signed(request: HttpRequest, option: str) -> bool:
    """https://www.twilio.com/docs/usage/security#validating-requests"""
    from twilio.request_validator import SIGNATURE_SETTINGS_HEADER, RequestValidator

    signature = request.headers.get("X-Twilio-Signature", "")
    if not signature or SIGNATURE_SETTINGS_HEADER in request.headers:  # signed with a key that we do not have
        return False
    query = request.META.get("QUERY_STRING", "")
    return any(
        RequestValidator(token).validate(f"{url}?{query}" if query else url, request.POST, signature)
        for token, url in urls(option)
    )
