"""Every page is accessible and fits, by axe-core's judgement: told once, as no database has a part in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS, Site, Visit

pytestmark = pytest.mark.django_db(transaction=True)
WCAG = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    "resultTypes": ["violations"],
    "iframes": False,  # in the frame that shows a mail no script runs, so axe's neither
}
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
axe = Axe()


# Colours depend on the scheme, and what fits on the width: two of the four say it all.
LOOKS = [(360, "dark"), (1280, "light")]


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_every_page_is_accessible_and_fits(visit: Visit, site: Site, width: int, scheme: str) -> None:
    page = visit("/alerts/", width=width, color_scheme=scheme)
    found = []
    for name, path in {"login": "/alerts/login/", **site.pages}.items():
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, name
        found += [f"{name}: {one['id']}, {one['nodes'][0]['html'][:200]}" for one in _violations(page)]
        assert page.evaluate(SIDEWAYS) == 0, f"{name} scrolls sideways"
        if SCREENSHOTS:
            page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{scheme}.png")
    for name in _done_there(page, site):
        found += [f"{name}: {one['id']}, {one['nodes'][0]['html'][:200]}" for one in _violations(page)]
        assert page.evaluate(SIDEWAYS) == 0, f"{name} scrolls sideways"
        if SCREENSHOTS:
            page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{scheme}.png")
    assert found == []
    page.goto("/alerts/login/")
    # And what is not accessible would be found.
    page.evaluate("document.querySelector('main').innerHTML = '<input><button></button>'")
    assert {"label", "button-name"} <= {one["id"] for one in _violations(page)}


def _done_there(page: Page, site: Site) -> Iterator[str]:
    """What is seen only after something was done."""
    page.goto(site.pages["routing"])
    page.get_by_role("link", name="invoice.paid: django.db").click()
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("heading", name="What would become of it")).to_be_visible()
    frame = page.frame_locator("iframe.as-mail")
    page.locator("iframe.as-mail").scroll_into_view_if_needed()
    expect(frame.get_by_role("heading", level=1)).to_contain_text("invoice.paid cannot be processed")
    page.evaluate("document.querySelector('.would').scrollIntoView()")
    yield "dryrun"
    page.goto(site.pages["event"])
    page.get_by_text("Never run it again").first.click()
    page.get_by_label("Why").fill("refunded by hand")
    page.get_by_role("button", name="Never run it again").click()
    expect(page.get_by_text("demo decided that")).to_be_visible()
    yield "dropped"
    page.goto(site.pages["alert"])
    page.evaluate("document.querySelectorAll('[name=csrfmiddlewaretoken]').forEach((one) => { one.value = 'old' })")
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("nothing was done")
    yield "form-refused"
    page.goto("/alerts/999999/")
    yield "missing"
    page.context.clear_cookies(name="sessionid")
    page.goto("/alerts/login/")
    for _ in range(5):
        page.get_by_label("User name").fill("demo")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("main").get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Too many wrong passwords")
    yield "locked-out"


def _violations(page: Page) -> list[dict[str, Any]]:
    violations: list[dict[str, Any]] = axe.run(page, options=WCAG).response["violations"]
    return violations
