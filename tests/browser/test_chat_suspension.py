"""Registers beside the channels that one writes in, and a line that the heads have suspended."""

import pytest
from playwright.sync_api import expect

from liaison.core.identifiers import DelegationId, UserId
from liaison.core.rights import Account, Role
from liaison.wiring import BackOffice
from tests.browser.conftest import BRITISH, OpenPage, SignIn, SitDown
from tests.live_server import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.system]

_CHANNEL = "joint/crossings"
_PASSWORD = "a long enough password"
_NEXT_PASSWORD = "another password of this length"


def test_registers_stand_apart_and_nobody_writes_in_them_by_hand(sit_down: SitDown) -> None:
    screen = sit_down("south-1", "joint/administration", **BRITISH)
    expect(screen.page.locator(".register-body")).to_be_visible()
    group = screen.page.locator(".channels section[data-kind=register]")
    expect(group.get_by_role("heading")).to_have_text("Registers")
    expect(group.locator('a[href="#joint/administration"]')).to_be_visible()
    expect(screen.page.locator('.channels section[data-kind=joint] a[href="#joint/administration"]')).to_have_count(0)
    expect(screen.composer).to_have_count(0)


def test_what_is_written_on_a_suspended_line_waits_and_follows_once_both_heads_resume(
    sit_down: SitDown, sign_in: SignIn
) -> None:
    author, reader = sit_down("south-2", _CHANNEL, **BRITISH), sit_down("north-2", _CHANNEL, **BRITISH)
    south, north = (sit_down(f"{side}-head", _CHANNEL, **BRITISH) for side in ("south", "north"))
    expect(author.page.get_by_role("button", name="Suspend the line")).to_have_count(0)
    south.page.get_by_role("button", name="Suspend the line").click()
    dialog = south.page.get_by_role("dialog")
    expect(dialog.locator("[name=authority]")).to_be_visible()
    dialog.locator("[name=authority]").fill("head of the south side")
    dialog.locator("[name=reason]").fill("talks")
    dialog.get_by_role("button", name="Suspend the line").click()
    for screen in (author, reader):
        banner = screen.page.get_by_role("region", name="Suspended")
        for words in ("South head", "South side", "head of the south side", "talks"):
            expect(banner).to_contain_text(words)
        expect(screen.page.locator(".composer .suspended")).to_be_visible()
        expect(screen.channel(_CHANNEL)).to_contain_text("Suspended")
        expect(screen.page.locator(".divider", has_text="Suspended by South side")).to_be_visible()
    author.say("This waits")
    author.say("And this behind it")
    waiting = author.message("This waits").locator(".delivery")
    expect(waiting).to_have_attribute("data-state", "held")
    expect(waiting).to_have_text("Waiting: the line is suspended")
    reader.say("Ours waits too")
    for screen, words in ((author, "2 of yours, 2 of your side"), (reader, "1 of yours, 1 of your side")):
        expect(screen.page.locator(".held summary")).to_contain_text(words)
    # Life safety goes through at once.
    author.page.get_by_label("Precedence of this message").select_option("life_safety")
    author.say("Everybody out of the water")
    expect(reader.message("Everybody out of the water")).to_be_visible()
    expect(author.page.get_by_label("Precedence of this message")).to_have_value("")
    author.page.reload()
    expect(author.message("This waits").locator("[data-state=held]")).to_be_visible()
    author.page.locator(".held summary").click()
    expect(author.page.locator(".held li")).to_have_count(2)
    expect(reader.message("This waits")).to_have_count(0)

    north.page.get_by_role("button", name="Propose to resume").click()
    north.page.get_by_role("dialog").get_by_role("button", name="Propose to resume").click()
    expect(author.page.locator(".resumption")).to_contain_text("North head")
    expect(author.page.locator(".resumption")).to_contain_text("has not approved yet")
    expect(north.page.get_by_role("button", name="Approve resumption")).to_have_count(0)
    south.page.get_by_role("button", name="Approve resumption").click()
    south.page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    for screen in (author, reader):
        texts = ["Everybody out of the water", "This waits", "And this behind it", "Ours waits too"]
        expect(screen.messages).to_have_text(texts)
        expect(screen.page.locator(".divider", has_text="Resumed by both heads")).to_be_visible()
        expect(screen.page.get_by_role("region", name="Suspended")).to_have_count(0)
        expect(screen.page.locator(".composer .suspended")).to_have_count(0)
    expect(author.message("This waits").locator("[data-state=delivered]")).to_be_attached()
    expect(author.message("This waits")).to_have_count(1)


def test_change_of_the_password_leaves_this_page_signed_in_and_at_work(
    open_page: OpenPage, sit_down: SitDown, server: LiveServer
) -> None:
    async def invite(office: BackOffice) -> None:
        person = Account(UserId("south-y"), "새 사람", DelegationId("south"), Role.OFFICIAL)
        await office.accounts.add_person(person, _PASSWORD, by="test")

    server.administer(invite)
    # A running server hears of new people a little later; of a token that was made after them, no sooner than of them.
    server.token("south-later", "south", [_CHANNEL])
    elsewhere, page = (open_page("/#joint/general", **BRITISH) for _ in range(2))
    for one in (elsewhere, page):
        one.locator("[name=user]").fill("south-y")
        one.locator("[name=password]").fill(_PASSWORD)
        one.locator("button[type=submit]").click()
        expect(one.locator(".link-text")).to_have_text("Connected")
    page.locator(".own").click()
    page.get_by_role("button", name="Account").click()
    page.locator("[name=current]").fill(_PASSWORD)
    page.locator("[name=new]").fill(_NEXT_PASSWORD)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("status").filter(has_text="The password was changed")).to_be_visible()
    expect(elsewhere.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.locator(".link-text")).to_have_text("Connected")
    page.keyboard.press("Escape")
    page.locator("#composer").fill("Still signed in")
    page.locator("#composer").press("Enter")
    sent = page.locator(".message", has=page.get_by_text("Still signed in", exact=True))
    expect(sent.locator("[data-state=delivered]")).to_be_attached()
