from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.site import Providers, Site, database_in_use, running
from tests.fakes.esp import FakeEsp
from tests.fakes.slack import FakeSlack
from tests.fakes.twilio import FakeTwilio


@pytest.fixture
def providers() -> Iterator[Providers]:
    with ExitStack() as stack:
        yield Providers(
            slack=stack.enter_context(FakeSlack()),
            twilio=stack.enter_context(FakeTwilio()),
            esp=stack.enter_context(FakeEsp()),
        )


@pytest.fixture
def site(tmp_path: Path, providers: Providers) -> Iterator[Site]:
    """One web process, one worker, and the three providers."""
    with running(tmp_path, database_in_use(), environment=providers.environment()) as found:
        yield found


@pytest.fixture(autouse=True)
def _say_what_was_logged(request: pytest.FixtureRequest) -> Iterator[None]:
    """A failed test shows the end of its processes' logs."""
    yield
    report = getattr(request.node, "report_call", None)
    site = request.node.funcargs.get("site") if hasattr(request.node, "funcargs") else None
    if report is not None and report.failed and isinstance(site, Site):
        print(site.log()[-6000:])  # noqa: T201 - pytest shows it with the failure
