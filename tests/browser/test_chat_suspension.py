"""Registers beside the channels that one writes in, and a line that the heads have suspended."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from liaison.core.identifiers import DelegationId, UserId
from liaison.core.rights import Account, Role
from liaison.wiring import BackOffice
from tests.browser.conftest import BRITISH, OpenPage, SignIn, SitDown
from tests.live_server import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.system]

_CHANNEL = "joint/crossings"
_PASSWORD = "a long enough password"
_NEXT_PASSWORD = "another password of this length"


def _command(page: Page, server: LiveServer, name: str, **fields: Any) -> Any:
    """Have the person at this page give a command of a register."""
    answer = page.request.post(f"/api/v1/registers/{name}", data=fields, headers={"Origin": server.url})
    assert answer.ok, answer.text()
    return answer.json()


def test_registers_stand_apart_and_nobody_writes_in_them_by_hand(sit_down: SitDown) -> None:
    screen = sit_down("south-1", "joint/administration", **BRITISH)
    group = screen.page.locator(".channels section[data-kind=register]")
    expect(group.get_by_role("heading")).to_have_text("Registers")
    expect(group.locator('a[href="#joint/administration"]')).to_be_visible()
    expect(screen.page.locator('.channels section[data-kind=joint] a[href="#joint/administration"]')).to_have_count(0)
    expect(screen.page.locator(".composer.read-only")).to_contain_text("not write")
    expect(screen.composer).to_have_count(0)


def test_what_is_written_on_a_suspended_line_waits_and_follows_once_both_heads_resume(
    sit_down: SitDown, sign_in: SignIn, server: LiveServer
) -> None:
    author, reader = sit_down("south-2", _CHANNEL, **BRITISH), sit_down("north-2", _CHANNEL)
    south, north = sign_in("south-head"), sign_in("north-head")
    words = {"channel": _CHANNEL, "key": "s", "authority": "head of the south side", "reason": "talks"}
    suspended = _command(south, server, "suspend_channel", **words)
    for screen in (author, reader):
        expect(screen.page.locator(".suspended")).to_be_visible()
        expect(screen.channel(_CHANNEL).locator("svg")).to_be_visible()
    author.say("This waits")
    waiting = author.message("This waits").locator(".delivery")
    expect(waiting).to_have_attribute("data-state", "held")
    expect(waiting).to_have_text("Waiting: the line is suspended")
    author.page.reload()
    expect(author.message("This waits").locator("[data-state=held]")).to_be_visible()
    expect(reader.message("This waits")).to_have_count(0)

    subject = {"kind": "resume", "channel": _CHANNEL, "suspension": suspended["suspension"]}
    expires_ms = suspended["time_ms"] + 600_000
    proposal = _command(north, server, "propose", key="p", subject=subject, expires_ms=expires_ms)["proposal"]
    for head in (south, north):
        approval = {name: proposal[name] for name in ("proposal", "digest")}
        _command(head, server, "approve_proposal", key="a", **approval)
    expect(reader.message("This waits")).to_be_visible()
    expect(author.message("This waits").locator("[data-state=delivered]")).to_be_attached()
    expect(author.message("This waits")).to_have_count(1)
    for screen in (author, reader):
        expect(screen.page.locator(".suspended")).to_have_count(0)


def test_change_of_the_password_leaves_this_page_signed_in_and_at_work(
    open_page: OpenPage, sit_down: SitDown, server: LiveServer
) -> None:
    async def invite(office: BackOffice) -> None:
        person = Account(UserId("south-y"), "새 사람", DelegationId("south"), Role.OFFICIAL)
        await office.accounts.add_person(person, _PASSWORD, by="test")

    server.administer(invite)
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
