"""Everybody can use the page: with a screen reader, without a mouse, in both languages and both appearances."""

import re

import pytest
from playwright.sync_api import Route, expect

from tests.browser.axe import Scheme, serious_findings
from tests.browser.conftest import BRITISH, OpenPage, SignIn, SitDown
from tests.live_server import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.system]


# Axe looks at everything on eight screens.
@pytest.mark.timeout(180)
def test_no_screen_has_a_serious_finding(
    open_page: OpenPage, sit_down: SitDown, locale: dict[str, str], scheme: Scheme
) -> None:
    login = open_page(**locale)
    expect(login.locator("[name=user]")).to_be_visible()
    findings = {"login": serious_findings(login, scheme)}
    screen = sit_down("south-1", **locale)
    page = screen.page
    screen.say("@South head 접근성 점검")
    expect(screen.messages.last).to_contain_text("접근성 점검")
    screen.messages.last.hover()
    expect(page.locator(".actions")).to_be_visible()
    findings["chat"] = serious_findings(page, scheme)
    for sheet, keys in (("switcher", "Control+k"), ("help", "Control+/"), ("date", "Control+Shift+D")):
        page.keyboard.press(keys)
        expect(page.locator(f"dialog.{sheet}")).to_be_visible()
        findings[sheet] = serious_findings(page, scheme, within="dialog[open]")
        page.keyboard.press("Escape")
        expect(page.locator("dialog.sheet")).to_have_count(0)
    page.locator(".own").click()
    findings["menu"] = serious_findings(page, scheme)
    page.locator(".menu > .button").first.click()
    expect(page.locator(".sign-ins li").first).to_be_visible()
    findings["account"] = serious_findings(page, scheme, within="dialog[open]")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Shift+F")
    page.get_by_role("searchbox").fill("접근성")
    page.get_by_role("searchbox").press("Enter")
    expect(page.locator(".result").first).to_be_visible()
    findings["search"] = serious_findings(page, scheme)
    assert {name: found for name, found in findings.items() if found} == {}


# Axe looks at everything on nine screens.
@pytest.mark.timeout(180)
def test_no_screen_of_the_registers_has_a_serious_finding(
    sit_down: SitDown, registers: None, locale: dict[str, str], scheme: Scheme
) -> None:
    page = sit_down("north-head", "joint/crossings", **locale).page
    expect(page.locator(".suspension .resumption")).to_be_visible()
    findings = {"suspended": serious_findings(page, scheme)}
    for channel, waited_for in (
        ("joint/administration", ".proposal"),
        ("joint/line-checks", ".strip"),
        ("north/duty", ".desks"),
        ("joint/dispatches", ".dispatch-line"),
    ):
        page.locator(f'.channels a[href="#{channel}"]').click()
        expect(page.locator(waited_for).first).to_be_visible()
        findings[channel] = serious_findings(page, scheme, within="main")
    page.locator(".register-tools .primary").click()
    page.locator(".items > button").click()
    findings["letter"] = serious_findings(page, scheme, within="dialog[open]")
    page.keyboard.press("Escape")
    # The focus is where it was before the dialog.
    expect(page.locator(".register-tools .primary")).to_be_focused()
    page.locator(".dispatch-line", has_text="기상 자료").click()
    expect(page.locator(".history li").first).to_be_visible()
    findings["dispatch"] = serious_findings(page, scheme, within="main")
    page.locator('.channels a[href="#joint/administration"]').click()
    page.locator(".segments button").last.click()
    expect(page.locator(".administration-log > li").first).to_be_visible()
    findings["log"] = serious_findings(page, scheme, within="main")
    page.locator(".conversation-head .button").last.click()
    expect(page.locator("dialog[open] .record-whole")).to_be_visible()
    findings["record"] = serious_findings(page, scheme, within="dialog[open]")
    assert {name: found for name, found in findings.items() if found} == {}


def test_keyboard_alone_signs_in_switches_sends_corrects_searches_and_signs_out(
    open_page: OpenPage, server: LiveServer
) -> None:
    page = open_page(**BRITISH)
    keyboard = page.keyboard
    expect(page.locator("[name=user]")).to_be_visible()
    for text in ("south-2", server.password_of("south-2")):
        keyboard.press("Tab")
        while page.evaluate("() => document.activeElement.tagName") != "INPUT":
            keyboard.press("Tab")
        keyboard.type(text)
    keyboard.press("Enter")
    expect(page.locator("#composer")).to_be_focused()
    expect(page.locator(".person").first).to_be_visible()

    keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Channel or person")).to_be_focused()
    keyboard.type("weather")
    keyboard.press("Enter")
    expect(page.locator(".channels [aria-current]")).to_have_attribute("href", "#joint/weather")
    expect(page.locator("#composer")).to_be_focused()

    keyboard.type("Rain at noon")
    keyboard.press("Enter")
    message = page.locator(".message").last
    expect(message.locator("[data-state=delivered]")).to_be_attached()
    keyboard.press("ArrowUp")
    keyboard.press("End")
    keyboard.type(" and snow")
    keyboard.press("Enter")
    expect(message.locator(".text")).to_have_text("Rain at noon and snow")

    keyboard.press("Control+Shift+F")
    expect(page.get_by_role("searchbox")).to_be_focused()
    keyboard.type("snow")
    keyboard.press("Enter")
    expect(page.locator(".result mark").first).to_have_text("snow")
    for _ in range(2):
        keyboard.press("Tab")
    while not page.evaluate("() => document.activeElement.matches('.result')"):
        keyboard.press("Tab")
    keyboard.press("Enter")
    expect(page.locator(".message:focus")).to_contain_text("Rain at noon and snow")

    while not page.evaluate("() => document.activeElement.matches('.own')"):
        keyboard.press("Shift+Tab")
    keyboard.press("Enter")
    while page.evaluate("() => document.activeElement.textContent") != "Sign out":
        keyboard.press("Tab")
    keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_shortcut_that_is_pressed_before_what_it_needs_has_come_works_once_it_is_there(sit_down: SitDown) -> None:
    page = sit_down("south-2", **BRITISH).page
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/static/chat-later-style-*.css", hold)
    page.reload()
    expect(page.locator("#composer")).to_be_focused()
    page.evaluate("() => addEventListener('keydown', (event) => { window.taken = event.defaultPrevented; })")
    page.keyboard.press("Control+k")
    # Neither does the browser do something else by it.
    assert page.evaluate("() => window.taken")
    page.keyboard.press("x")
    assert not page.evaluate("() => window.taken")
    expect(page.locator("dialog")).to_have_count(0)
    while not held:
        page.wait_for_event("request")
    held[0].continue_()
    expect(page.locator("dialog.switcher")).to_be_visible()


def test_screen_reader_is_told_what_everything_is(sit_down: SitDown) -> None:
    screen = sit_down("south-1", **BRITISH)
    page = screen.page
    screen.say("Read me")
    expect(screen.messages.last).to_have_text("Read me")
    expect(page.get_by_role("navigation", name="Channels")).to_be_visible()
    expect(page.get_by_role("log", name="Messages in")).to_be_visible()
    expect(page.get_by_role("complementary", name="People")).to_be_visible()
    expect(page.get_by_role("textbox", name="Message to")).to_have_accessible_description(
        re.compile("The other side will read this")
    )
    position = page.locator(".log li").last
    assert int(position.get_attribute("aria-posinset") or 0) >= 2
    expect(page.locator(".message").last.get_by_text("Delivered")).to_be_attached()


def test_two_screens_show_the_same_mark_when_a_message_was_read(sit_down: SitDown, sign_in: SignIn) -> None:
    south = sit_down("south-3", **BRITISH)
    colleague, north = sit_down("south-4", **BRITISH), sit_down("north-3", **BRITISH)
    south.say("Who has seen this?")
    delivery = south.message("Who has seen this?").locator(".delivery")
    expect(colleague.messages.last).to_have_text("Who has seen this?")
    expect(north.messages.last).to_have_text("Who has seen this?")
    north.page.evaluate("() => window.dispatchEvent(new Event('focus'))")
    expect(delivery).to_have_attribute("data-shown", "true")
    expect(delivery).to_contain_text("Shown at their side")
    expect(delivery).to_contain_text("South 4")
    expect(delivery).not_to_contain_text("North 3")
