"""Whatever people write or are called is shown as text: nothing of it runs, loads, or moves what stands beside it."""

import pytest
from playwright.sync_api import expect

from liaison.core.entries import Draft, EntryKind
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.rights import Account, Channel, Role
from liaison.wiring import BackOffice
from tests.browser.conftest import SitDown
from tests.live_server import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.system]

SCRIPTS = [
    "<script>window.ran = 1</script>",
    '<img src=x onerror="window.ran = 1">',
    "<svg onload='window.ran = 1'>",
    "\"><iframe srcdoc='<script>parent.ran = 1</script>'></iframe>",
    '<a href="javascript:window.ran = 1">눌러 보십시오</a>',
    "javascript:window.ran = 1",
    "<style>*{display:none}</style>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.ran=1>",
    "{{constructor.constructor('window.ran = 1')()}} ${window.ran = 1}",
    "]]><!--<plaintext>",
    "__proto__ constructor toString",
]

REACTIONS = [*SCRIPTS, "\u202egnp.exe", "\u2067\u05e9\u05dc\u05d5\u05dd", "<b>1", "&lt;", "__proto__", "W" * 500]


def test_script_in_a_message_is_text_on_both_sides(sit_down: SitDown) -> None:
    south, north = sit_down("south-1"), sit_down("north-1")
    screens = (south, north)
    elements = [screen.page.locator("script, img, iframe, style").count() for screen in screens]
    for text in SCRIPTS:
        south.say(text)
        for screen in screens:
            expect(screen.messages.last).to_have_text(text)
            assert screen.page.evaluate("() => window.ran") is None, text
    assert [screen.page.locator("script, img, iframe, style").count() for screen in screens] == elements
    assert north.page.locator(".message a").count() == 0


def test_script_in_a_correction_a_reply_and_a_search_is_text(sit_down: SitDown) -> None:
    screen = sit_down("south-2", "joint/crossings")
    text = SCRIPTS[1]
    screen.say("처음 글")
    expect(screen.message("처음 글").locator("[data-state=delivered]")).to_be_attached()
    screen.composer.press("ArrowUp")
    screen.say(text)
    expect(screen.messages.last).to_have_text(text)
    screen.act(text, "답장")
    expect(screen.page.locator(".intent .quote-text")).to_have_text(text)
    screen.say("답장")
    expect(screen.message("답장").locator(".quote-text")).to_have_text(text)
    screen.page.locator(".for-search").click()
    screen.page.get_by_role("searchbox").fill("onerror")
    screen.page.get_by_role("searchbox").press("Enter")
    expect(screen.page.locator(".result-text").first).to_have_text(text)
    assert screen.page.evaluate("() => window.ran") is None


def test_script_in_names_of_people_and_channels_is_text(sit_down: SitDown, server: LiveServer) -> None:
    name = '<img src=x onerror="window.ran = 1">'

    async def invite(office: BackOffice) -> None:
        person = Account(UserId("south-x"), name, DelegationId("south"), Role.OFFICIAL)
        await office.accounts.add_person(person, "a long enough password", by="test")
        await office.accounts.create_channel(Channel(ChannelId("joint/hostile"), name, name), by="test")

    server.administer(invite)
    # A running server hears of new people a little later.
    server.restart()
    screen = sit_down("south-1", "joint/hostile")
    expect(screen.page.locator(".conversation-head h1")).to_have_text(name)
    expect(screen.page.locator(".person-name", has_text=name)).to_have_count(1)
    screen.page.locator(".conversation-head").get_by_role("button", name="서명된 기록").click()
    expect(screen.page.locator("dialog[open] h2")).to_contain_text(name)
    assert screen.page.evaluate("() => window.ran") is None


def test_script_in_a_reaction_is_text_and_stays_within_its_button(sit_down: SitDown, server: LiveServer) -> None:
    channel = ChannelId("joint/reacted")

    async def react(office: BackOffice) -> None:
        await office.accounts.create_channel(Channel(channel, "반응", "Reactions"), by="test")
        south, north = DelegationId("south"), DelegationId("north")
        text = Draft(UserId("south-1"), south, "reacted", EntryKind.TEXT, text="반응을 받는 글")
        # The server would take only the short ones; whatever a log holds is shown as text all the same.
        reactions = [
            Draft(UserId("north-1"), north, f"reaction-{number}", EntryKind.REACTION, ref=1, reaction=reaction)
            for number, reaction in enumerate(REACTIONS)
        ]
        await office.log.append(channel, [text, *reactions], Millis(1_780_272_000_000))

    server.administer(react)
    screen = sit_down("south-1", str(channel))
    buttons = screen.page.locator(".reactions button")
    expect(buttons).to_have_count(len(REACTIONS))
    shown = buttons.locator("bdi").evaluate_all("all => all.map((one) => one.textContent)")
    assert sorted(shown) == sorted(REACTIONS)
    frame = screen.page.locator(".message-main").last.bounding_box()
    assert frame is not None
    for button in buttons.all():
        box = button.bounding_box()
        assert box is not None
        assert frame["x"] <= box["x"]
        assert box["x"] + box["width"] <= frame["x"] + frame["width"] + 1
        assert button.locator("bdi").evaluate("e => getComputedStyle(e).unicodeBidi") == "isolate"
    assert screen.page.locator(".reactions :is(img, script, svg, iframe, style, a)").count() == 0
    assert screen.page.evaluate("() => window.ran") is None


def test_direction_of_a_text_stays_within_it(sit_down: SitDown) -> None:
    south, north = sit_down("south-head", "joint/weather"), sit_down("north-1", "joint/weather")
    for text in ("\u202egnp.exe", "\u2067שלום\u2066", "مرحبا (3)", "\u200b\u200d글\ufeff"):
        south.say(text)
        expect(south.messages.last).to_contain_text(text.strip("\u200b\ufeff\u2066\u2067\u202e\u200d"))
    south.say("끝")
    expect(north.messages.last).to_have_text("끝")
    for message in north.page.locator(".message").all():
        text_box, box = (message.locator(part).bounding_box() for part in (".text", ".message-main"))
        assert text_box is not None
        assert box is not None
        assert text_box["x"] >= box["x"]
        assert text_box["x"] + text_box["width"] <= box["x"] + box["width"]
        style = message.locator(".text").evaluate("e => getComputedStyle(e).unicodeBidi")
        assert style in {"plaintext", "isolate"}


def test_policy_of_the_page_lets_nothing_foreign_run(sit_down: SitDown) -> None:
    screen = sit_down("south-1")
    assert screen.page.evaluate(
        """() => {
            window.expectsViolations = true;
            const script = document.createElement("script");
            try { script.textContent = "window.ran = 1"; } catch {}
            document.body.append(script);
            let refused = false;
            try { document.body.insertAdjacentHTML("beforeend", "<p>x</p>"); } catch { refused = true; }
            return refused && window.ran === undefined;
        }"""
    )
