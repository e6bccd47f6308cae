"""What somebody had typed when their session had ended or their form was refused: it is in its fields again.

In the session, since an address holds too little: of a comment in Cyrillic a web server takes a sixth of a page.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

_KEY = "alerts_typed"
MOST = 100_000  # characters; no form takes as many
_MOST_IN_A_COOKIE = 1_000  # for sessions that are kept in one, which browsers drop when it is larger


def keep(request: HttpRequest, address: str) -> bool:
    """Until the form of the page at this address is sent. False: it is more than can be kept."""
    values = {name: value for name, value in request.POST.items() if name != "csrfmiddlewaretoken" and value}
    most = _MOST_IN_A_COOKIE if settings.SESSION_ENGINE.endswith("signed_cookies") else MOST
    if sum(map(len, values.values())) > most:
        return False
    request.session[_KEY] = {"address": address, "values": values}
    return True


def of(request: HttpRequest) -> dict[str, str]:
    """What had been typed into the forms of this page, by the fields' names."""
    kept = request.session.get(_KEY)
    return kept["values"] if kept and kept["address"] == request.path else {}


def forget(request: HttpRequest) -> None:
    request.session.pop(_KEY, None)
