"""Mentions, marks, notifications, dates, drafts of two tabs: what makes a day's work easier."""

import re

import pytest
from playwright.sync_api import expect

from liaison.core.entries import Draft, EntryKind, Precedence
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.rights import Channel
from liaison.wiring import BackOffice
from tests.browser.conftest import BRITISH, SitDown
from tests.live_server import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.system]

_DAY_MS = 24 * 3600 * 1000
_START_MS = 1_780_272_000_000  # 1 June 2026, 09:00 in Seoul
_ABSENT = "() => { document.hasFocus = () => false; window.dispatchEvent(new Event('blur')); }"


def test_mention_is_completed_by_keyboard_and_counted_for_whom_it_names(sit_down: SitDown) -> None:
    south, north = sit_down("south-1", "joint/weather"), sit_down("north-1", "joint/general")
    south.composer.press_sequentially("@북측 연락관 1")
    options = south.page.locator("[role=option]")
    expect(options).to_have_count(1)
    south.composer.press("Enter")
    expect(options).to_have_count(0)
    expect(south.composer).to_have_value(re.compile(r"^@북측 연락관 1.* $"))
    south.composer.press_sequentially("확인 바랍니다")
    south.composer.press("Enter")
    expect(south.page.locator(".mentioned").last).to_contain_text("@북측 연락관 1")
    expect(north.channel("joint/weather").locator(".badge.mention")).to_contain_text("1")
    north.open("joint/weather")
    expect(north.page.locator(".mentioned[data-me=true]").last).to_be_visible()
    expect(north.channel("joint/weather").locator(".badge.mention")).to_have_count(0)


def test_escape_closes_the_names_and_leaves_the_text(sit_down: SitDown) -> None:
    screen = sit_down("south-1", "south/desk")
    screen.composer.press_sequentially("@")
    expect(screen.page.locator("[role=listbox]")).to_be_visible()
    # Nobody of the other side can read this channel.
    expect(screen.page.locator("[role=option]", has_text="North")).to_have_count(0)
    screen.composer.press("ArrowDown")
    expect(screen.page.locator("[role=option]").nth(1)).to_have_attribute("aria-selected", "true")
    screen.composer.press("Escape")
    expect(screen.page.locator("[role=listbox]")).to_have_count(0)
    expect(screen.composer).to_have_value("@")
    screen.composer.fill("")


_CATCH_NOTIFICATIONS = """() => {
    window.notified = [];
    window.Notification = class {
        static permission = "granted";
        static requestPermission = async () => "granted";
        constructor(title, options) { window.notified.push(title + " | " + options.body); }
        close() {}
    };
    localStorage.setItem("liaison.notify", "all");
}"""


def test_notifications_follow_the_rules_of_the_office(sit_down: SitDown) -> None:
    colleague, other = sit_down("south-2", "south/desk"), sit_down("north-2", "joint/general")
    screen = sit_down("south-1", "joint/weather", fresh=True, **BRITISH)
    page = screen.page
    page.add_init_script(f"({_CATCH_NOTIFICATIONS})()")
    page.reload()
    expect(page.locator(".person").first).to_be_visible()

    def notified() -> list[str]:
        found: list[str] = page.evaluate("() => window.notified")
        return found

    other.say("보이는 사람에게는 알리지 않습니다")
    expect(screen.channel("joint/general").locator(".badge")).to_be_visible()
    assert notified() == []
    page.evaluate(_ABSENT)
    other.say("공동 대화방의 글")
    page.wait_for_function("() => window.notified.length === 1")
    colleague.say("비공개 글")
    page.wait_for_function("() => window.notified.length === 2")
    joint, private = notified()
    assert joint.endswith("공동 대화방의 글")
    assert "비공개" not in private
    assert "Message from" in private
    page.locator(".availability select").select_option("dnd")
    page.evaluate(_ABSENT)
    other.say("방해 금지")
    expect(screen.channel("joint/general").locator(".badge")).to_contain_text("3")
    assert len(notified()) == 2
    page.locator(".availability select").select_option("active")


@pytest.fixture(scope="module")
def june(server: LiveServer) -> str:
    """A channel in which each day of June something was written."""
    channel = ChannelId("joint/june")

    async def write(office: BackOffice) -> None:
        await office.accounts.create_channel(Channel(channel, "유월", "June"), by="test")
        for day in range(30):
            drafts = [
                Draft(
                    UserId("north-1"),
                    DelegationId("north"),
                    f"june-{day}-{number}",
                    EntryKind.TEXT,
                    text=f"{day + 1}일 {number}번 글",
                    precedence=Precedence.FLASH if number == 0 else Precedence.ROUTINE,
                )
                for number in range(10)
            ]
            await office.log.append(channel, drafts, Millis(_START_MS + day * _DAY_MS))

    server.administer(write)
    return channel


def test_date_leads_to_the_first_message_of_that_day(sit_down: SitDown, june: str) -> None:
    screen = sit_down("south-3", june)
    screen.page.keyboard.press("Control+Shift+D")
    screen.page.locator("input[type=date]").fill("2026-06-07")
    screen.page.locator(".date-form button").click()
    expect(screen.message("7일 0번 글")).to_be_focused()
    expect(screen.message("7일 0번 글")).to_be_in_viewport()
    expect(screen.message("7일 0번 글").locator(".precedence")).to_have_text("지급")


def test_channel_opens_at_the_first_unread_also_when_that_is_far_up(sit_down: SitDown, june: str) -> None:
    screen = sit_down("south-4", june)
    mark = screen.page.locator("#first-unread")
    expect(mark).to_be_in_viewport()
    expect(screen.message("1일 0번 글")).to_be_in_viewport()
    expect(screen.page.locator(".latest")).to_be_visible()
    screen.page.locator(".latest").click()
    expect(screen.message("30일 9번 글")).to_be_in_viewport()
    expect(screen.channel(june).locator(".badge")).to_have_count(0)


def test_what_waits_without_a_line_is_sent_once_from_two_tabs_and_after_a_reload(
    sit_down: SitDown, server: LiveServer
) -> None:
    south, north = sit_down("south-1", "joint/crossings"), sit_down("north-1", "joint/crossings")
    second = south.page.context.new_page()
    second.goto(f"{server.url}/#joint/crossings")
    expect(second.locator("#composer")).to_be_visible()
    server.kill()
    expect(south.link).to_have_text(re.compile(r"\d+초 후 다시 연결"))
    expect(south.page.locator(".link-complete")).to_have_text(re.compile(r"\d\d:\d\d:\d\d까지 빠짐없음"))
    for number in range(3):
        south.say(f"두 창 {number}")
    second.locator("#composer").fill("둘째 창의 글")
    second.locator("#composer").press("Enter")
    expect(south.message("두 창 2").locator("[data-state=queued]")).to_be_visible()
    server.start()
    expect(north.message("두 창 2")).to_have_count(1, timeout=30_000)
    expect(north.message("둘째 창의 글")).to_have_count(1, timeout=30_000)
    expect(south.page.locator("[data-state=queued]")).to_have_count(0)
    south.page.reload()
    expect(south.message("둘째 창의 글")).to_have_count(1)
    for text in ("두 창 0", "두 창 1", "두 창 2", "둘째 창의 글"):
        for screen in (south, north):
            expect(screen.message(text)).to_have_count(1)
