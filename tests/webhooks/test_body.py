"""However a body is framed, it is read whole, or refused with its own reason."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory

from tests.webhooks.stripe_side import sign
from webhooks import samples
from webhooks.exceptions import EmptyBody, Refused, TooLarge, Unreadable
from webhooks.models import WebhookEvent
from webhooks.receive import body, refusals, views

LIMIT = 10


class Dribble(io.BytesIO):
    """Gives a byte at a time, as a server may."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(1, size or 0))


class Breaking(io.BytesIO):
    """Breaks after its bytes with an error of the server's own."""

    def read(self, size: int | None = -1) -> bytes:
        if found := super().read(size):
            return found
        raise RuntimeError("invalid chunk")


def request(stream: io.BytesIO, **environ: Any) -> WSGIRequest:
    base = RequestFactory().post("/stripe/default/").environ
    base.pop("CONTENT_LENGTH")
    return WSGIRequest(base | {"wsgi.input": stream} | environ)


CHUNKED = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}


@pytest.mark.parametrize(
    ("stream", "environ", "outcome"),
    [
        (io.BytesIO(b"{}"), CHUNKED, b"{}"),
        (Dribble(b"{  }"), CHUNKED, b"{  }"),
        (Dribble(b"{  }"), {"CONTENT_LENGTH": "4"}, b"{  }"),
        (io.BytesIO(b"{}"), CHUNKED | {"CONTENT_LENGTH": ""}, b"{}"),
        (io.BytesIO(b"{}more"), {"CONTENT_LENGTH": "2"}, b"{}"),
        (io.BytesIO(b"x" * LIMIT), CHUNKED, b"x" * LIMIT),
        (io.BytesIO(b"x" * (LIMIT + 1)), CHUNKED, TooLarge),
        (Dribble(b"x" * (LIMIT + 1)), CHUNKED, TooLarge),
        (io.BytesIO(b""), {"CONTENT_LENGTH": str(LIMIT + 1)}, TooLarge),
        (io.BytesIO(b""), {"CONTENT_LENGTH": "9" * 400}, TooLarge),
        (io.BytesIO(b"{"), {"CONTENT_LENGTH": "2"}, Unreadable),
        (Breaking(b"{"), CHUNKED, Unreadable),
        (io.BytesIO(b""), CHUNKED, EmptyBody),
        (io.BytesIO(b""), {"CONTENT_LENGTH": "0"}, EmptyBody),
        (io.BytesIO(b"{}"), {"CONTENT_LENGTH": ""}, EmptyBody),  # nobody says where it ends
        (io.BytesIO(b"{}"), {"CONTENT_LENGTH": "-1"}, EmptyBody),
    ],
)
def test_what_is_read_of_a_body(stream: io.BytesIO, environ: dict[str, Any], outcome: bytes | type[Refused]) -> None:
    if isinstance(outcome, bytes):
        assert body.read(request(stream, **environ), LIMIT) == outcome
    else:
        with pytest.raises(outcome):
            body.read(request(stream, **environ), LIMIT)


@pytest.mark.django_db
def test_a_signed_event_in_chunks_is_stored() -> None:
    text = json.dumps(samples.snapshot("invoice.paid"))
    answer = views.receive(request(io.BytesIO(text.encode()), **CHUNKED, HTTP_STRIPE_SIGNATURE=sign(text)), "default")
    assert answer.status_code == 200
    assert WebhookEvent.objects.get().body == text


@pytest.mark.django_db
def test_an_empty_body_has_a_reason_of_its_own() -> None:
    answer = views.receive(request(io.BytesIO(b""), **CHUNKED, HTTP_STRIPE_SIGNATURE="t=1,v1=a"), "default")
    assert answer.status_code == 400
    assert b"empty" in answer.content
    assert [(endpoint, reason) for endpoint, reason, _ in refusals._counts] == [("default", "empty_body")]
