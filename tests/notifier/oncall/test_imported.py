"""Rotations that others keep: whatever their programs write is read, or said, and the last good state stays."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from notifier.calendars import fetching, imports
from notifier.calendars.fetching import fetch
from notifier.calendars.reading import read
from notifier.config.conf import get_policy, parse
from notifier.judge.oncall.people import Person
from notifier.judge.oncall.rota import Why
from notifier.models import Alert, Handover, ImportedCalendar
from notifier.oncall import handovers, overrides
from notifier.oncall.duty import duty_at, person_now
from tests.notifier.conftest import Configure
from tests.notifier.oncall.rotations import utc

FOLDER = Path(__file__).parent / "calendars"
ALICE = Person("alice", "Alice", {"email": "alice@example.com"})
BOB = Person("bob", "Bob", {"email": "bob@example.com"})
BEGIN, END = utc("2026-01-01"), utc("2026-02-10")

# Of each file of the corpus: its shifts in UTC, and whom it names that PEOPLE does not.
CORPUS: dict[str, tuple[list[str], list[str]]] = {
    "pagerduty": (["0105T08 0112T08 alice", "0112T08 0119T08 bob"], []),
    "opsgenie": (["0105T08 0112T08 alice", "0112T08 0119T08 bob"], []),
    # Times without a zone are in X-WR-TIMEZONE; what was cancelled is none.
    "google": (
        ["0105T08 0112T08 alice", "0112T08 0119T08 bob", "0119T08 0126T08 alice", "0202T08 0209T08 alice"],
        [],
    ),
    "outlook": (["0105T08 0112T08 alice", "0119T08 0126T08 alice", "0202T08 0209T08 alice"], []),
    "windows_zone_alone": (["0105T14 0112T14 alice"], []),
    "all_day": (["0104T23 0111T23 alice", "0111T23 0112T23 bob"], []),
    "exdate": (
        ["0105T08 0106T08 alice", "0106T08 0107T08 alice", "0108T08 0109T08 alice", "0109T08 0110T08 alice"],
        [],
    ),
    "this_and_future": (
        [
            "0105T08 0106T08 alice",
            "0106T08 0107T08 alice",
            "0107T11 0108T11 bob",
            "0108T11 0109T11 bob",
            "0109T11 0110T11 bob",
        ],
        [],
    ),
    # Without a UID, with bad dates, an end before its start (which is taken the other way round), and what is no event.
    "dirty": (["0105T08 0112T08 alice", "0112T08 0119T08 bob", "0119T08 0126T08 bob"], ["Zoe"]),
}


@pytest.mark.parametrize("name", sorted(CORPUS))
def test_every_file_of_the_corpus_is_read(name: str) -> None:
    found = read((FOLDER / f"{name}.ics").read_bytes(), "Europe/Berlin", [ALICE, BOB], BEGIN, END)
    shifts = [f"{start:%m%dT%H} {end:%m%dT%H} {person}" for start, end, person in found.shifts]
    assert (shifts, list(found.unknown)) == CORPUS[name]


def test_the_corpus_is_all_of_the_folder() -> None:
    assert {path.stem for path in FOLDER.glob("*.ics")} == set(CORPUS)


@pytest.mark.parametrize("ending", [b"\r\n", b"\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_a_byte_order_mark_are_no_matter(ending: bytes, mark: bytes) -> None:
    text = (FOLDER / "pagerduty.ics").read_bytes().replace(b"\n", ending)
    assert len(read(mark + text, "UTC", [ALICE, BOB], BEGIN, END).shifts) == 2


@pytest.mark.parametrize("text", [b"", b"<html>no</html>", b"\0\xff", b"BEGIN:VCALENDAR\nBEGIN:VEVENT\n"])
def test_what_is_no_calendar_is_said_in_words(text: bytes) -> None:
    with pytest.raises(ValueError, match="calendar"):
        read(text, "UTC", [ALICE], BEGIN, END)


def test_a_name_is_a_word_and_the_longest_counts() -> None:
    people = [Person("al", "Al"), Person("alice", "Alice"), Person("alice2", "Alice Smith")]
    text = (FOLDER / "pagerduty.ics").read_text().replace("Alice - Payments", "Alice Smith - Payments")
    found = read(text.encode(), "UTC", people, BEGIN, END)
    assert [person for *_, person in found.shifts] == ["alice2"]
    assert found.unknown == ("On Call - Bob - Payments",)


# --- fetching --------------------------------------------------------------------------------------------------------


def test_what_stands_at_an_address_is_fetched_over_redirects(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_data("", status=302, headers={"Location": "/b?c=1"})
    httpserver.expect_request("/b", query_string="c=1").respond_with_data("found")
    assert fetch(httpserver.url_for("/a"), allow_private=True) == b"found"


def test_a_private_network_is_not_asked_unless_it_is_allowed(httpserver: HTTPServer) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0"):  # noqa: S104 - asked, and not listened on
        with pytest.raises(ValueError, match=r"private network|cannot be fetched"):
            fetch(f"http://{host}:{httpserver.port}/a")
    assert httpserver.log == []


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest", "file:///etc/passwd", "gopher://x/"])
def test_a_redirect_leads_nowhere_else(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    real = fetching._connected
    monkeypatch.setattr(  # the first address is taken for a public one
        fetching,
        "_connected",
        lambda host, port, allow_private: real(host, port, allow_private=allow_private or port == httpserver.port),
    )
    httpserver.expect_request("/a").respond_with_data("", status=302, headers={"Location": target})
    with pytest.raises(ValueError, match=r"private network|not a web address"):
        fetch(httpserver.url_for("/a"))


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        *((one, False) for one in ("10.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1")),  # noqa: S104
        *((one, False) for one in ("::1", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::")),
    ],
)
def test_what_is_a_public_address(address: str, *, public: bool) -> None:
    assert fetching._is_public(ipaddress.ip_address(address)) is public


def test_redirects_in_a_circle_end(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_data("", status=302, headers={"Location": "/a"})
    with pytest.raises(ValueError, match="more than 3 times"):
        fetch(httpserver.url_for("/a"), allow_private=True)
    assert len(httpserver.log) == 4


def test_what_is_too_long_is_not_read_to_its_end(httpserver: HTTPServer) -> None:
    def endless(_: Request) -> Response:
        return Response((b"x" * 65_536 for _ in range(1000)), content_type="text/calendar")

    httpserver.expect_request("/a").respond_with_handler(endless)
    with pytest.raises(ValueError, match="2,000,000 bytes"):
        fetch(httpserver.url_for("/a"), allow_private=True)


@pytest.fixture
def silent() -> Iterator[int]:
    """A server that takes connections and drips a byte now and then, for ever."""
    server = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def drip() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not over.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    over.set()
    thread.join(2)
    server.close()


def test_what_drips_ends_at_the_deadline(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "DEADLINE", 0.3)
    with pytest.raises(ValueError, match="longer than"):
        fetch(f"http://127.0.0.1:{silent}/", allow_private=True)


@pytest.mark.parametrize("status", [404, 500, 204])
def test_another_answer_is_said_by_its_status(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request("/a").respond_with_data("no", status=status)
    with pytest.raises(ValueError, match=str(status)):
        fetch(httpserver.url_for("/a?token=secret"), allow_private=True)


# --- kept ------------------------------------------------------------------------------------------------------------

NOW = utc("2026-01-06 12:00")


@pytest.fixture
def file(tmp_path: Path, configure: Configure) -> Path:
    path = tmp_path / "oncall.ics"
    path.write_bytes((FOLDER / "pagerduty.ics").read_bytes())
    people: dict[str, Any] = {one.key: {"NAME": one.name, "ADDRESSES": dict(one.addresses)} for one in (ALICE, BOB)}
    configure(people=people, oncall={"payments": {"ICS": str(path), "TZ": "Europe/Berlin"}})
    return path


def look(minutes: int = 0) -> None:
    imports.refresh(get_policy(), NOW + timedelta(minutes=minutes))


def row() -> ImportedCalendar:
    return ImportedCalendar.objects.get()


def open_alerts() -> list[str]:
    return list(Alert.objects.filter(source="calendar.payments", resolved_at=None).values_list("title", flat=True))


@pytest.mark.django_db
@pytest.mark.usefixtures("file")
def test_its_events_are_the_shifts_and_an_override_counts_over_them() -> None:
    policy = get_policy()
    rotation = policy.rotations["payments"]
    assert duty_at(rotation, NOW).person is None
    look()
    duty = duty_at(rotation, NOW)
    assert (duty.person, duty.why, duty.until) == ("alice", Why.CALENDAR, utc("2026-01-12 08:00"))
    assert person_now(rotation, utc("2026-01-12 08:00")) == "bob"
    assert person_now(rotation, utc("2026-01-19 08:00")) is None
    bob = policy.people["bob"]
    overrides.take(rotation, bob, start=NOW, end=NOW + timedelta(hours=1), author="bob", now=NOW)
    assert person_now(rotation, NOW) == "bob"


@pytest.mark.django_db
@pytest.mark.usefixtures("file")
def test_its_handovers_are_written_down() -> None:
    look()
    for at in ("2026-01-06 12:00", "2026-01-12 08:00"):
        handovers.record(get_policy(), utc(at))
    rows = Handover.objects.order_by("at")
    assert [(one.person, one.why, one.override_id) for one in rows] == [
        ("alice", "calendar", None),
        ("bob", "calendar", None),
    ]


@pytest.mark.django_db
def test_the_last_good_state_stays_and_its_age_is_told(file: Path) -> None:
    look()
    file.write_text("<html>maintenance</html>")
    look(16)
    assert person_now(get_policy().rotations["payments"], NOW) == "alice"
    assert (row().read_at, "cannot be read" in row().error) == (NOW, True)
    assert open_alerts() == []
    look(6 * 60 + 1)
    [title] = open_alerts()
    assert title.startswith("The calendar of payments cannot be read: it cannot be read as a calendar")
    assert "since 2026-01-06 12:00 UTC" in Alert.objects.get(source="calendar.payments").hint
    file.write_bytes((FOLDER / "pagerduty.ics").read_bytes())
    look(7 * 60)
    assert open_alerts() == []
    assert row().error == ""


@pytest.mark.django_db
def test_one_that_was_never_read_is_told_at_once(file: Path) -> None:
    file.unlink()
    look()
    assert open_alerts() == ["The calendar of payments cannot be read: its file cannot be read (FileNotFoundError)"]


@pytest.mark.django_db
def test_unknown_people_are_told_and_the_rest_counts(file: Path) -> None:
    file.write_bytes((FOLDER / "dirty.ics").read_bytes())
    look()
    assert open_alerts() == ["The calendar of payments names 1 whom PEOPLE does not: Zoe"]
    assert person_now(get_policy().rotations["payments"], NOW) == "alice"


@pytest.mark.django_db
def test_it_is_read_every_quarter_of_an_hour_by_one_of_all_workers(file: Path) -> None:
    look()
    file.unlink()
    look(14)
    assert row().error == ""
    look(15)
    assert "file" in row().error


@pytest.mark.django_db
def test_what_another_address_said_does_not_count(file: Path, configure: Configure, tmp_path: Path) -> None:
    look()
    other = tmp_path / "other.ics"
    configure(people={"alice": {}}, oncall={"payments": {"ICS": str(other), "TZ": "Europe/Berlin"}})
    look(1)
    assert person_now(get_policy().rotations["payments"], NOW) is None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"ICS": "ftp://example.com/x.ics"}, '["ICS"]: not a calendar. Write an https address, or the path'),
        ({"ICS": "x.ics", "MEMBERS": []}, 'there is no key "MEMBERS"'),
        ({"ICS": 5}, '["ICS"]: must be a text'),
    ],
)
def test_what_is_wrong_with_its_entry_is_said_with_its_place(entry: dict[str, object], said: str) -> None:
    assert [str(one) for one in parse({"ONCALL": {"payments": entry}})[1] if said in str(one)] != []


def test_a_webcal_address_is_an_https_one() -> None:
    policy, _ = parse({"ONCALL": {"payments": {"ICS": "webcal://example.com/x.ics"}}})
    assert policy is not None
    assert policy.rotations["payments"].ics == "https://example.com/x.ics"
