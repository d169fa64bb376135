"""Two delegations talk in real browsers, through the real server."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from liaison.core.entries import Draft, EntryKind
from liaison.core.identifiers import ChannelId, DelegationId, UserId
from liaison.wiring import BackOffice
from tests.browser.chat_screen import Keyboard
from tests.browser.conftest import BRITISH, KOREAN, OpenPage, SignIn, SitDown
from tests.live_server import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.system]


def test_both_sides_talk_in_korean_and_see_the_same_order(sit_down: SitDown) -> None:
    south, north = sit_down("south-1"), sit_down("north-1")
    south.say("안녕하십니까. 남측입니다.")
    expect(north.messages.last).to_have_text("안녕하십니까. 남측입니다.")
    north.say("반갑습니다. 북측입니다.")
    south.say("오늘 통행은 09시 30분입니다.")
    expect(north.messages.last).to_have_text("오늘 통행은 09시 30분입니다.")
    expect(south.messages).to_have_text(north.messages.all_inner_texts())
    expect(south.message("오늘 통행은 09시 30분입니다.").locator("[data-state=delivered]")).to_be_attached()


def test_message_shows_its_author_and_the_author_s_side(sit_down: SitDown) -> None:
    south, north = sit_down("south-head"), sit_down("north-1", **BRITISH)
    south.say("누가 쓴 것인지 보입니다.")
    message = north.message("누가 쓴 것인지 보입니다.")
    expect(message.locator(".author")).to_contain_text("South head")
    expect(message.locator(".side-label")).to_have_text("South side")


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        (KOREAN, "사용자 이름, 비밀번호 또는 코드가 올바르지 않습니다"),
        (BRITISH, "User name, password or code is wrong"),
    ],
)
def test_wrong_password_is_told_in_the_language_of_the_page(
    open_page: OpenPage, locale: dict[str, str], text: str
) -> None:
    page = open_page(**locale)
    page.locator("[name=user]").fill("south-1")
    page.locator("[name=password]").fill("wrong")
    page.locator("button[type=submit]").click()
    expect(page.get_by_role("alert")).to_contain_text(text)


def test_composer_says_always_whether_the_other_side_reads(sit_down: SitDown) -> None:
    for user, own in (("south-2", "남측"), ("north-2", "북측")):
        screen = sit_down(user)
        expect(screen.warning).to_have_text("상대측이 읽습니다")
        screen.open(f"{user.partition('-')[0]}/desk")
        expect(screen.warning).to_have_text(f"{own}만 읽습니다")


def test_channel_of_the_other_side_does_not_exist(sit_down: SitDown) -> None:
    for user, other in (("south-2", "north/desk"), ("north-2", "south/desk")):
        screen = sit_down(user)
        expect(screen.channel("joint/general")).to_be_visible()
        expect(screen.channel(other)).to_have_count(0)


# Each sends exactly once: what the keyboard reports differs between systems, what people mean doesn't.
def _enter_itself_in_a_syllable(keyboard: Keyboard) -> None:
    keyboard.compose("ㅎ", "하", "한")
    keyboard.enter()
    keyboard.release()


def _enter_taken_in_a_syllable(keyboard: Keyboard) -> None:
    keyboard.compose("ㅎ", "하", "한")
    keyboard.enter_taken()
    keyboard.commit("한")
    keyboard.release()


def _enter_taken_and_never_committed(keyboard: Keyboard) -> None:
    keyboard.compose("ㅎ", "하", "한")
    keyboard.enter_taken()
    keyboard.release()


def _enter_taken_and_then_a_clean_one(keyboard: Keyboard) -> None:
    keyboard.compose("ㅎ", "하", "한")
    keyboard.enter_taken()
    keyboard.commit("한")
    keyboard.enter()
    keyboard.release()


def _commit_first_and_then_enter_taken(keyboard: Keyboard) -> None:
    keyboard.compose("ㅎ", "하", "한")
    keyboard.commit("한")
    keyboard.enter_taken()
    keyboard.enter()
    keyboard.release()


@pytest.mark.parametrize(
    "press",
    [
        _enter_itself_in_a_syllable,
        _enter_taken_in_a_syllable,
        _enter_taken_and_never_committed,
        _enter_taken_and_then_a_clean_one,
        _commit_first_and_then_enter_taken,
    ],
)
def test_enter_in_a_korean_syllable_sends_the_whole_text_once(
    sit_down: SitDown, press: Callable[[Keyboard], None]
) -> None:
    screen = sit_down("south-3", "south/desk")
    start = f"시작 {press.__name__}"
    screen.say(start)
    screen.composer.fill("국")
    screen.composer.press("End")
    press(Keyboard(screen.page))
    expect(screen.texts_after(start)).to_have_text(["국한"])
    expect(screen.composer).to_have_value("")
    # Had anything been sent besides, it would stand before this one.
    screen.say("끝")
    expect(screen.texts_after(start)).to_have_text(["국한", "끝"])


def test_enter_in_another_composition_only_commits(sit_down: SitDown) -> None:
    screen = sit_down("south-3", "south/desk")
    screen.say("시작 仮名")
    keyboard = Keyboard(screen.page)
    keyboard.compose("か", "かな")
    keyboard.enter_taken()
    keyboard.commit("仮名")
    keyboard.release()
    expect(screen.composer).to_have_value("仮名")
    expect(screen.texts_after("시작 仮名")).to_have_count(0)
    screen.composer.press("Enter")
    expect(screen.texts_after("시작 仮名")).to_have_text(["仮名"])


def test_shift_and_enter_starts_a_new_line(sit_down: SitDown) -> None:
    screen = sit_down("south-1")
    screen.composer.fill("첫째 줄")
    screen.composer.press("Shift+Enter")
    screen.composer.press_sequentially("둘째 줄")
    screen.composer.press("Enter")
    expect(screen.messages.last).to_have_text("첫째 줄\n둘째 줄", use_inner_text=True)


def test_draft_of_each_channel_survives_a_reload(sit_down: SitDown) -> None:
    screen = sit_down("south-4")
    screen.composer.fill("아직 보내지 않은 글")
    screen.open("joint/weather")
    expect(screen.composer).to_have_value("")
    screen.composer.fill("다른 방의 글")
    screen.page.reload()
    expect(screen.composer).to_have_value("다른 방의 글")
    screen.open("joint/general")
    expect(screen.composer).to_have_value("아직 보내지 않은 글")


def test_language_switches_without_a_reload(sit_down: SitDown) -> None:
    screen = sit_down("south-4", "joint/crossings")
    screen.composer.fill("쓰던 글")
    screen.page.evaluate("() => { window.before = true; }")
    screen.page.locator(".own").click()
    screen.page.get_by_role("button", name="English").click()
    expect(screen.warning).to_have_text("The other side will read this")
    expect(screen.link).to_have_text("Connected")
    expect(screen.page.locator("html")).to_have_attribute("lang", "en")
    expect(screen.composer).to_have_value("쓰던 글")
    assert screen.page.evaluate("() => window.before") is True
    screen.page.reload()
    expect(screen.warning).to_have_text("The other side will read this")


def test_own_message_can_be_corrected_and_withdrawn_and_the_other_side_sees_it(sit_down: SitDown) -> None:
    south, north = sit_down("south-1"), sit_down("north-1")
    south.say("수위는 3.2 m입니다.")
    expect(north.messages.last).to_have_text("수위는 3.2 m입니다.")
    expect(south.message("수위는 3.2 m입니다.").locator("[data-state=delivered]")).to_be_attached()
    south.composer.press("ArrowUp")
    expect(south.composer).to_have_value("수위는 3.2 m입니다.")
    south.say("수위는 3.4 m입니다.")
    expect(north.messages.last).to_have_text("수위는 3.4 m입니다.")
    corrected = north.message("수위는 3.4 m입니다.")
    corrected.locator("summary").click()
    expect(corrected.locator("del")).to_have_text("수위는 3.2 m입니다.")

    south.act("수위는 3.4 m입니다.", "철회")
    south.page.locator("dialog[open]").get_by_role("button", name="철회").click()
    expect(north.page.locator(".message").last.locator(".tombstone")).to_be_visible()
    expect(north.page.get_by_text("수위는 3.4 m입니다.")).to_have_count(0)


def test_escape_leaves_a_correction_and_brings_the_draft_back(sit_down: SitDown) -> None:
    screen = sit_down("south-1")
    screen.say("고칠 글")
    expect(screen.message("고칠 글").locator("[data-state=delivered]")).to_be_attached()
    screen.composer.press("ArrowUp")
    expect(screen.composer).to_have_value("고칠 글")
    screen.composer.press("Escape")
    expect(screen.composer).to_have_value("")


def test_reaction_is_counted_and_can_be_taken_back(sit_down: SitDown) -> None:
    south, north = sit_down("south-1"), sit_down("north-1")
    south.say("동의하십니까?")
    expect(north.messages.last).to_have_text("동의하십니까?")
    north.act("동의하십니까?", "👍 반응")
    reaction = south.message("동의하십니까?").locator(".reactions button")
    expect(reaction).to_have_text("👍 1")
    reaction.click()
    expect(north.message("동의하십니까?").locator(".reactions button")).to_have_text("👍 2")
    # The other side may see it first; a click takes back only what is shown as one's own.
    expect(reaction).to_have_text("👍 2")
    reaction.click()
    expect(north.message("동의하십니까?").locator(".reactions button")).to_have_text("👍 1")


def test_reply_shows_what_it_answers(sit_down: SitDown) -> None:
    south, north = sit_down("south-1"), sit_down("north-1")
    south.say("몇 시에 합니까?")
    expect(north.messages.last).to_have_text("몇 시에 합니까?")
    north.act("몇 시에 합니까?", "답장")
    north.say("10시에 합니다.")
    expect(south.message("10시에 합니다.").locator(".quote")).to_contain_text("몇 시에 합니까?")


def test_unread_messages_are_counted_marked_and_read_when_opened(sit_down: SitDown) -> None:
    south, north = sit_down("south-1", "joint/weather"), sit_down("north-1", "joint/crossings")
    south.say("비가 옵니다.")
    south.say("바람이 붑니다.")
    badge = north.channel("joint/weather").locator(".badge")
    expect(badge).to_contain_text("2")
    north.open("joint/weather")
    expect(north.page.locator("#first-unread")).to_be_visible()
    expect(badge).to_have_count(0)
    north.page.reload()
    expect(north.messages.last).to_have_text("바람이 붑니다.")
    expect(north.page.locator("#first-unread")).to_have_count(0)


def test_nothing_is_read_at_an_unattended_screen(sit_down: SitDown) -> None:
    south, north = sit_down("south-2"), sit_down("north-2")
    north.page.evaluate("() => { document.hasFocus = () => false; window.dispatchEvent(new Event('blur')); }")
    south.say("자리에 계십니까?")
    expect(north.messages.last).to_have_text("자리에 계십니까?")
    badge = north.channel("joint/general").locator(".badge")
    expect(badge).to_contain_text("1")
    north.page.evaluate("() => { delete document.hasFocus; window.dispatchEvent(new Event('focus')); }")
    expect(badge).to_have_count(0)


def test_history_is_loaded_on_the_way_up_and_new_messages_do_not_move_the_reader(
    sit_down: SitDown, server: LiveServer
) -> None:
    async def write(office: BackOffice) -> None:
        author = UserId("south-3"), DelegationId("south")
        drafts = [Draft(*author, f"car-{number}", EntryKind.TEXT, text=f"{number}번 차량") for number in range(120)]
        await office.log.append(ChannelId("joint/crossings"), drafts, office.clock.wall_ms())

    server.administer(write)
    south, north = sit_down("south-3", "joint/crossings"), sit_down("north-3", "joint/crossings")
    # It opens at the first unread, and at the end once they are read.
    north.page.locator(".latest").click()
    expect(north.messages.last).to_have_text("119번 차량")
    north.page.reload()
    expect(north.messages.last).to_have_text("119번 차량")
    log = north.page.locator(".log")
    seen: list[str] = north.messages.all_inner_texts()
    assert len(seen) < 120
    while "0번 차량" not in seen:
        log.evaluate("log => { log.scrollTop -= 300; }")
        log.evaluate("() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
        shown = north.messages.all_inner_texts()
        seen = [*(text for text in shown if text not in seen), *seen]
    assert seen == [f"{number}번 차량" for number in range(120)]
    expect(north.page.locator(".log li").first).to_have_attribute("aria-posinset", "1")
    log.evaluate("log => { log.scrollTop = log.scrollHeight / 2; }")
    place = log.evaluate("log => log.scrollTop")
    south.say("읽는 동안 온 글")
    expect(north.page.locator(".latest")).to_have_text("새 메시지")
    assert log.evaluate("log => log.scrollTop") == place
    north.page.locator(".latest").click()
    expect(north.message("읽는 동안 온 글")).to_be_in_viewport()


def test_presence_of_both_sides_is_shown_and_availability_only_to_the_own(sit_down: SitDown) -> None:
    south, colleague, north = sit_down("south-1"), sit_down("south-2"), sit_down("north-1")
    south.page.locator(".availability select").select_option("dnd")
    seen_by_colleague = colleague.page.locator(".person", has_text="South 1")
    seen_across = north.page.locator(".person", has_text="South 1")
    expect(seen_by_colleague).to_contain_text("방해 금지")
    expect(seen_across).to_contain_text("접속 중")
    expect(seen_across).not_to_contain_text("방해 금지")
    south.page.locator(".availability select").select_option("active")
    expect(seen_by_colleague).to_contain_text("활동 중")


def test_typing_is_shown_to_the_own_side_only(sit_down: SitDown) -> None:
    south, colleague, north = sit_down("south-1"), sit_down("south-2"), sit_down("north-1")
    south.composer.press_sequentially("쓰는 중")
    expect(colleague.page.locator(".typists")).to_contain_text("South 1")
    expect(north.page.locator(".typists")).to_have_text("")


def test_direct_channel_opens_from_the_list_of_people(sit_down: SitDown) -> None:
    south = sit_down("south-1")
    south.page.locator("button.person", has_text="North 1").click()
    expect(south.page.locator(".conversation-head h1")).to_contain_text("North 1")
    expect(south.warning).to_have_text("상대측이 읽습니다")
    south.page.locator("button.person", has_text="South 2").click()
    expect(south.page.locator(".conversation-head h1")).to_contain_text("South 2")
    expect(south.warning).to_have_text("여기에 표시된 사람만 읽습니다")


def test_search_finds_a_message_and_leads_to_it(sit_down: SitDown) -> None:
    screen = sit_down("south-1")
    screen.say("녀자 축구 경기 일정")
    screen.open("joint/weather")
    screen.page.locator(".for-search").click()
    screen.page.get_by_role("searchbox").fill("여자")
    screen.page.get_by_role("searchbox").press("Enter")
    screen.page.locator(".result", has_text="녀자 축구 경기 일정").first.click()
    expect(screen.channel("joint/general")).to_have_attribute("aria-current", "page")
    expect(screen.message("녀자 축구 경기 일정").last).to_be_focused()


def test_phone_shows_one_column_at_a_time(sit_down: SitDown) -> None:
    screen = sit_down("south-1", viewport={"width": 390, "height": 780}, has_touch=True)
    expect(screen.composer).to_be_visible()
    expect(screen.page.locator(".channels")).to_be_hidden()
    screen.page.get_by_role("button", name="대화방 목록으로").click()
    expect(screen.page.locator(".channels")).to_be_visible()
    expect(screen.page.locator(".conversation")).to_be_hidden()
    screen.page.go_back()
    expect(screen.composer).to_be_visible()
    width = screen.page.evaluate("() => document.documentElement.scrollWidth")
    assert width == 390


def test_appearance_follows_the_system_until_one_is_chosen(sit_down: SitDown) -> None:
    screen = sit_down("south-1", color_scheme="dark")
    canvas = "() => getComputedStyle(document.body).backgroundColor"
    dark = screen.page.evaluate(canvas)
    screen.page.locator(".own").click()
    screen.page.get_by_role("button", name="밝게").click()
    light = screen.page.evaluate(canvas)
    assert dark != light
    screen.page.reload()
    expect(screen.composer).to_be_visible()
    assert screen.page.evaluate(canvas) == light


def test_nothing_is_asked_of_anybody_but_the_own_server(sit_down: SitDown, server: LiveServer) -> None:
    screen = sit_down("south-1")
    asked: list[str] = []
    screen.page.on("request", lambda request: asked.append(request.url))
    screen.page.reload()
    screen.say("https://example.org/ 를 보십시오.")
    expect(screen.messages.last).to_have_text("https://example.org/ 를 보십시오.")
    assert asked
    assert [url for url in asked if not url.startswith((server.url, "data:"))] == []


def test_address_of_a_channel_that_is_not_one_s_own_opens_another(sign_in: SignIn) -> None:
    page = sign_in("north-1", "/#south/desk")
    expect(page.locator(".channels [aria-current]")).to_have_attribute("href", re.compile("#joint/"))
    expect(page.locator("#composer")).to_be_visible()


def test_signing_out_ends_the_session_and_forgets_the_drafts(sit_down: SitDown) -> None:
    screen = sit_down("south-4", "south/desk", anew=True)
    screen.composer.fill("남의 눈에 띄면 안 되는 글")
    screen.page.locator(".own").click()
    screen.page.get_by_role("button", name="로그아웃").click()
    expect(screen.page.get_by_role("heading", name="로그인")).to_be_visible()
    stored = screen.page.evaluate("() => JSON.stringify(localStorage)")
    assert "남의 눈" not in stored
    assert "south/desk" not in screen.page.url + stored
    screen.page.reload()
    expect(screen.page.get_by_role("heading", name="로그인")).to_be_visible()


def test_server_that_is_killed_comes_back_and_the_outbox_is_sent_once_without_a_reload(
    sit_down: SitDown, server: LiveServer
) -> None:
    south, north = sit_down("south-2"), sit_down("north-2")
    south.say("죽기 전")
    expect(north.messages.last).to_have_text("죽기 전")
    # Two are on their way, acknowledged or not, and the next one is being typed.
    for number in range(2):
        south.say(f"죽는 순간 {number}")
    south.composer.fill("끊긴 동안 0")
    server.kill()
    expect(south.link).to_have_text(re.compile(r"\d+초 후 다시 연결"))
    expect(south.page.locator(".people .stale")).to_be_visible()
    expect(south.page.locator(".person .dot:not([data-state=unknown])")).to_have_count(0)
    expect(south.composer).to_have_value("끊긴 동안 0")
    for number in range(3):
        south.say(f"끊긴 동안 {number}")
    expect(south.message("끊긴 동안 2").locator("[data-state=queued]")).to_be_visible()
    server.start()
    for screen in (south, north):
        # As when a network comes back; that it is tried again without a hint as well shows elsewhere.
        screen.page.evaluate("() => window.dispatchEvent(new Event('online'))")
    expect(north.messages.last).to_have_text("끊긴 동안 2", timeout=30_000)
    expect(south.page.locator("[data-state=queued]")).to_have_count(0)
    for screen in (south, north):
        texts = screen.texts_after("죽기 전").all_inner_texts()
        assert texts == ["죽는 순간 0", "죽는 순간 1", "끊긴 동안 0", "끊긴 동안 1", "끊긴 동안 2"]
