"""What goes with a person rather than a channel: their devices, both clocks, who has read, the way around."""

import datetime as dt

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import BRITISH, SignIn, SitDown
from tests.live_server import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.system]


def test_sign_out_everywhere_ends_the_other_device_too(sign_in: SignIn, sit_down: SitDown) -> None:
    other = sign_in("south-3", anew=True)
    screen = sit_down("south-3", anew=True)
    screen.page.locator(".own").click()
    screen.page.locator(".menu > .button").first.click()
    sign_ins = screen.page.locator(".sign-ins li")
    expect(sign_ins).to_have_count(2)
    expect(sign_ins.filter(has_text="현재 기기")).to_have_count(1)
    screen.page.locator(".sheet .button.danger").click()
    for page in (screen.page, other):
        expect(page.locator("[name=user]")).to_be_visible()
        page.reload()
        expect(page.locator("[name=user]")).to_be_visible()


def test_both_clocks_are_shown_while_they_differ_and_only_then(sign_in: SignIn) -> None:
    page = sign_in("south-1", fresh=True)
    expect(page.locator(".channels a").first).to_be_visible()
    expect(page.locator(".clocks")).to_have_count(0)
    # For 996 days one side's noon was the other's half past eleven.
    page.clock.set_fixed_time(dt.datetime(2017, 3, 1, 3, 0, tzinfo=dt.UTC))
    expect(page.locator(".clocks time")).to_have_text(["12:00", "11:30"])
    expect(page.locator(".clocks .side-label")).to_have_text(["남측", "북측"])


def test_who_has_read_is_still_shown_after_the_server_was_started_anew(sit_down: SitDown, server: LiveServer) -> None:
    south, colleague, north = sit_down("south-1"), sit_down("south-2"), sit_down("north-1")
    south.say("누가 읽었습니까")
    for screen in (colleague, north):
        expect(screen.messages.last).to_have_text("누가 읽었습니까")
    delivered = south.message("누가 읽었습니까").locator(".delivery[data-shown=true]")
    expect(delivered).to_have_attribute("title", "전달됨\n상대측에 표시됨\n읽음: 남측 연락관 2 · South 2")
    for screen in (colleague, north):
        screen.page.close()
    server.restart()
    south.page.reload()
    expect(delivered).to_have_attribute("title", "전달됨\n상대측에 표시됨\n읽음: 남측 연락관 2 · South 2")


def test_switcher_goes_to_a_channel_by_a_few_letters_on_any_keyboard_layout(sit_down: SitDown) -> None:
    screen = sit_down("south-1", **BRITISH)
    page = screen.page
    expect(page.locator(".person").first).to_be_visible()
    # On a Hangul layout this key says ㅏ.
    page.evaluate(
        """() => document.activeElement.dispatchEvent(new KeyboardEvent("keydown",
            { code: "KeyK", key: "ㅏ", ctrlKey: true, bubbles: true, cancelable: true }))"""
    )
    letters = page.get_by_role("dialog").get_by_role("combobox")
    letters.fill("weath")
    letters.press("Enter")
    expect(screen.channel("joint/weather")).to_have_attribute("aria-current", "page")
    expect(screen.composer).to_be_focused()


def test_help_lists_the_shortcuts_and_closes_with_escape(sit_down: SitDown) -> None:
    screen = sit_down("south-1", **BRITISH)
    page = screen.page
    expect(page.locator(".person").first).to_be_visible()
    screen.composer.press("Control+/")
    sheet = page.get_by_role("dialog")
    expect(sheet).to_contain_text("Go to a channel or personCtrlK")
    expect(sheet).to_contain_text("Correct your last message")
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    expect(screen.composer).to_be_focused()


def test_general_channel_comes_first_in_its_group(sit_down: SitDown) -> None:
    page = sit_down("south-1").page
    joint = page.locator(".channels section[data-kind=joint] a")
    expect(joint.first).to_have_attribute("href", "#joint/general")
