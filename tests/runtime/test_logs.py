"""What a log line looks like, whoever wrote it."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.config import DictConfigurator
from pathlib import Path

import pytest
import structlog
from django.conf import settings

from alerts_runtime.redaction.logs import Stderr, logging_config

Written = Callable[[], str]


@contextmanager
def lines(*, as_json: bool) -> Iterator[Written]:
    configured = DictConfigurator(logging_config(json=as_json, level="INFO"))
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(configured.configure_formatter(configured.config["formatters"]["line"]))
    logger = logging.getLogger("tests.logs")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield stream.getvalue
    finally:
        logger.removeHandler(handler)


def test_a_line_of_structlog_is_json_and_redacted() -> None:
    with lines(as_json=True) as written:
        structlog.get_logger("tests.logs").info("mailed jane@example.com", key="sk_live_abcd1234", count=3)

    line = json.loads(written())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "mailed [email]",
        "key": "[secret]",
        "count": 3,
        "level": "info",
        "logger": "tests.logs",
    }


def test_a_line_of_the_standard_library_is_redacted_too() -> None:
    with lines(as_json=True) as written:
        logging.getLogger("tests.logs").warning("card %s of %s", "4242424242424242", "jane@example.com")

    line = json.loads(written())
    assert (line["event"], line["level"], line["logger"]) == ("card [card] of [email]", "warning", "tests.logs")


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "terminal"])
@pytest.mark.parametrize("of_structlog", [True, False], ids=["structlog", "logging"])
def test_a_traceback_shows_no_secret_and_no_local_variable(*, as_json: bool, of_structlog: bool) -> None:
    logger = structlog.get_logger("tests.logs") if of_structlog else logging.getLogger("tests.logs")
    with lines(as_json=as_json) as written:
        local = "a local variable"
        try:
            raise ValueError("DETAIL:  Key (email)=(jane@example.com) already exists.")
        except ValueError:
            logger.exception("it failed", stack_info=False)
        del local

    assert "Traceback" in written()
    assert "ValueError: DETAIL: [data]" in written()
    assert "jane" not in written()
    assert "a local variable'" not in written()


def test_a_line_below_the_level_is_not_written() -> None:
    with lines(as_json=True) as written:
        structlog.get_logger("tests.logs").debug("too much")

    assert written() == ""


def test_the_settings_write_every_logger_to_one_place() -> None:
    assert settings.LOGGING["root"]["handlers"] == ["stderr"]
    for name in ("django", "django.request", "django.server", "alerts_runtime.worker.runner"):
        assert logging.getLogger(name).handlers == []
        assert logging.getLogger(name).propagate


FORGED = "paid\n2026-11-26T14:02:33Z [error    ] all is lost\r\nand more"


@pytest.mark.parametrize("of_structlog", [True, False], ids=["structlog", "logging"])
def test_no_text_forges_a_line_on_a_terminal(*, of_structlog: bool) -> None:
    with lines(as_json=False) as written:
        if of_structlog:
            structlog.get_logger("tests.logs").info(FORGED, note=FORGED)
        else:
            logging.getLogger("tests.logs").warning("got %s", FORGED)
        try:
            raise ValueError(FORGED)
        except ValueError:
            logging.getLogger("tests.logs").exception("failed")

    assert "all is lost" in written()
    assert not [line for line in written().splitlines() if line.startswith(("2026-11-26T14:02:33Z", "and more"))]


UNHEARD = """
import sys, threading, warnings, logging, django
django.setup()
CANARY = "postgres://shop:canary@10.0.0.7/shop"

def fail():
    raise ValueError(f"cannot connect to {CANARY}")

class Odd:
    def __del__(self):
        fail()

thread = threading.Thread(target=fail, name="a handler's own")
thread.start()
thread.join()
warnings.warn(f"deprecated {CANARY}", UserWarning)
logging.getLogger("shop").error("too few arguments: %s %s", CANARY)
Odd()
print("all said", file=sys.stderr)
fail()
"""


def test_what_python_itself_writes_to_stderr_shows_no_secret() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "always", "-c", UNHEARD], capture_output=True, text=True, check=False, timeout=60
    )

    assert ran.returncode == 1
    assert "all said" in ran.stderr
    assert "canary" not in ran.stderr
    for said in ("a handler's own", "deprecated", "a log line of shop", "python.unraisable", "python.uncaught"):
        assert said in ran.stderr


def test_a_log_on_a_full_disk_breaks_no_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        handler = Stderr(full)
        logger = logging.getLogger("tests.full")
        logger.addHandler(handler)
        try:
            logger.error("x" * 10_000)
        finally:
            logger.removeHandler(handler)
            monkeypatch.undo()
            with contextlib.suppress(OSError):
                full.close()
