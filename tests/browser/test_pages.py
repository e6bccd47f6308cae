"""The pages as people meet them: on a telephone and at a desk, in the dark, without JavaScript, by keyboard alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from notifier.models import Alert, LogEntry, Silence
from tests.browser.conftest import PASSWORD, Site, Visit

pytestmark = pytest.mark.django_db(transaction=True)
CHOSEN = "document.activeElement.id"
MOST_TABS = 15


@pytest.mark.parametrize("width", [360, 1280])
def test_everything_works_without_javascript(visit: Visit, site: Site, width: int) -> None:
    page = visit(site.pages["alert"], width=width, java_script_enabled=False)
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("status")).to_contain_text("acknowledged until")
    expect(page.get_by_text("demo has it")).to_be_visible()
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("Nobody has it.")).to_be_visible()
    page.get_by_text("Note something").click()
    page.get_by_label("For whoever looks next").fill("the ledger's disk was full")
    page.get_by_role("button", name="Note it").click()
    expect(page.get_by_text("the ledger's disk was full")).to_be_visible()
    page.get_by_role("link", name="Silence this kind").click()
    expect(page.get_by_text("It holds 1 alert that is open now")).to_be_visible()
    page.get_by_role("button", name="Silence", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("begins")
    assert Silence.objects.count() == 1
    page.get_by_role("button", name="End it now").click()
    page.goto(site.pages["routing"])
    page.get_by_label("Event type").fill("invoice.paid")
    page.get_by_label("Exception").fill("KeyError")
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_text("takes it")).to_be_visible()
    page.goto(site.pages["event"])
    page.get_by_role("button", name="Process it again").click()
    expect(page.get_by_role("status")).to_contain_text("is processed again")
    page.goto(site.pages["alert"])
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Resolved after")
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(f"{site.url}/alerts/login/")


@pytest.mark.parametrize("javascript", [True, False])
@pytest.mark.parametrize("width", [360, 1280])
def test_no_typed_text_is_lost(visit: Visit, site: Site, width: int, javascript: bool) -> None:
    page = visit(site.pages["alert"], width=width, java_script_enabled=javascript)
    page.get_by_text("Note something").click()
    words = "Die Bücher stimmen nicht, 帳簿が合わない. " * 200
    page.get_by_label("For whoever looks next").fill(words)
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Note it").click()
    expect(page.get_by_text("what you typed is there again once you are logged in")).to_be_visible()
    page.get_by_label("User name").fill("demo")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    expect(page.get_by_label("For whoever looks next")).to_have_value(words)
    # And when the form itself is too old, since somebody logged in elsewhere.
    page.context.clear_cookies(name="csrftoken")
    page.get_by_role("button", name="Note it").click()
    page.get_by_role("link", name="Open the page again").click()
    expect(page.get_by_label("For whoever looks next")).to_have_value(words)
    page.get_by_role("button", name="Note it").click()
    expect(page.get_by_role("status")).to_contain_text("noted")
    assert LogEntry.objects.get(verb="comment", alert=site.critical).text == words.strip()


@pytest.mark.parametrize("javascript", [True, False])
def test_an_event_is_never_run_again_and_that_is_taken_back(visit: Visit, site: Site, javascript: bool) -> None:
    page = visit(site.pages["event"], width=360, java_script_enabled=javascript)
    expect(page.get_by_text("failed", exact=True).first).to_be_visible()
    page.get_by_text("Never run it again").first.click()
    page.get_by_label("Why").fill("refunded by hand")
    page.get_by_role("button", name="Never run it again").click()
    expect(page.get_by_role("status")).to_contain_text("is never run again: by no retry, no replay and no resend.")
    expect(page.get_by_text("refunded by hand")).to_be_visible()
    page.get_by_role("button", name="Let it be run again").click()
    expect(page.get_by_role("status")).to_contain_text("may be run again")
    expect(page.get_by_role("button", name="Process it again")).to_be_visible()


@pytest.mark.parametrize("javascript", [True, False])
def test_a_failure_that_happened_is_tried_in_the_browser(visit: Visit, site: Site, javascript: bool) -> None:
    page = visit(site.pages["routing"], java_script_enabled=javascript)
    page.get_by_role("link", name="invoice.paid: django.db").click()
    page.get_by_role("button", name="Try it").click()
    expect(page.locator(".as-slack").first).to_contain_text("invoice.paid cannot be processed")
    expect(page.locator(".as-sms")).to_contain_text("CRIT invoice.paid")
    mail = page.frame_locator("iframe.as-mail")
    page.locator("iframe.as-mail").scroll_into_view_if_needed()
    expect(mail.get_by_role("heading", level=1)).to_contain_text("invoice.paid cannot be processed")


def test_by_keyboard_alone(visit: Visit, site: Site) -> None:
    # From the link in a message to acknowledged.
    page = visit(site.pages["alert"], logged_in=False)
    page.keyboard.type("demo")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nobody has it.")).to_be_visible()
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    expect(page.get_by_text("demo has it")).to_be_visible()
    assert LogEntry.objects.filter(alert=site.critical, verb="acknowledge", through="page").count() == 1
    # Without our keys the button is not far, and the list of pages can be skipped.
    page.goto(site.pages["alert"])
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate(CHOSEN) == "content"
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate(CHOSEN) == "acknowledge":
            break
    assert page.evaluate(CHOSEN) == "acknowledge"
    # Through a list, and into what was chosen.
    page.goto("/alerts/")
    focused = "document.activeElement.getAttribute('href')"
    page.keyboard.press("j")
    first = page.evaluate(focused)
    assert first == site.pages["alert"]
    page.keyboard.press("j")
    assert page.evaluate(focused) != first
    page.keyboard.press("k")
    assert page.evaluate(focused) == first
    page.keyboard.press("a")
    page.wait_for_url("**#acknowledge")
    assert page.evaluate(CHOSEN) == "acknowledge"
    # What is typed is no key, and keys can be turned off.
    page.goto("/alerts/")
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("Text or event id").press_sequentially("jar?")
    expect(page.get_by_label("Text or event id")).to_have_value("jar?")
    page.goto("/alerts/")
    page.keyboard.press("?")
    page.get_by_role("button", name="Turn the keys off").click()
    page.get_by_role("button", name="Close").click()
    page.goto("/alerts/")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.tagName") == "BODY"


def test_times_are_the_browsers_and_the_page_looks_again(visit: Visit, site: Site) -> None:
    page = visit(site.pages["alert"], timezone_id="Asia/Tokyo")
    expect(page.get_by_text("Times are in Asia/Tokyo.")).to_be_visible()
    assert "JST" in page.locator("time").first.inner_text()
    page.clock.install()
    page.goto("/alerts/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("1 critical")
    Alert.objects.filter(pk=site.critical.pk).update(severity=30)
    page.clock.run_for(31_000)
    expect(page.get_by_role("heading", level=1)).to_contain_text("2 error")
