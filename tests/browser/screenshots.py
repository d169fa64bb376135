"""Takes pictures of the chat's screens from the demonstration's people: `python tests/browser/screenshots.py OUTDIR`.

They are looked at by people before a change of the pages is called done; three small ones stand in the README.
"""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page, Playwright, sync_playwright

from liaison.cli.demo_office import write_line_checks
from liaison.cli.demo_registers import write_registers
from liaison.core.entries import Draft, EntryKind, Precedence
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.line_check_schedule import Schedule
from liaison.wiring import BackOffice
from tests.live_server import LiveServer

_SEOUL = {"timezone_id": "Asia/Seoul"}
_DESKTOP = {"width": 1044, "height": 530}
_PHONE = {"width": 390, "height": 780}
_START_MS = 1_795_480_000_000
_MINUTE_MS = 60_000

# Who, after how many minutes, what.
_TALK: Sequence[tuple[str, int, str]] = (
    ("south-1", 0, "안녕하십니까. 오늘 주간 회의 의제를 올립니다."),
    ("south-1", 1, "1. 통행 시간 조정\n2. 기상 자료 교환\n3. 하천 방류 사전 통보"),
    ("north-1", 4, "확인했습니다. 2번 의제의 자료는 오전 중에 보내겠습니다."),
    ("north-head", 9, "방류 계획은 내일 06시부터입니다. 초당 500톤을 넘지 않습니다."),
    ("south-head", 12, "@북측 소장 · North head 통보에 감사드립니다. 하류에 전달하였습니다."),
    ("north-2", 21, "통행 차량은 모두 12대이며 09시 30분에 출발합니다."),
    ("south-2", 24, "알겠습니다. 출입사무소에 전달하겠습니다."),
    ("south-1", 26, "10시에 영상 회의를 시작하겠습니다."),
)


def _entry(number: int, author: str, text: str) -> Draft:
    mentions = (UserId("north-head"),) if "@" in text else ()
    precedence = Precedence.PRIORITY if "방류 계획" in text else Precedence.ROUTINE
    side = DelegationId(author.partition("-")[0])
    return Draft(
        UserId(author), side, f"talk-{number}", EntryKind.TEXT, text=text, mentions=mentions, precedence=precedence
    )


async def _talk(office: BackOffice) -> None:
    channel = ChannelId("joint/general")
    for number, (author, minutes, text) in enumerate(_TALK):
        await office.log.append(channel, [_entry(number, author, text)], Millis(_START_MS + minutes * _MINUTE_MS))
    reaction = Draft(UserId("north-2"), DelegationId("north"), "reaction", EntryKind.REACTION, ref=8, reaction="👍")
    await office.log.append(channel, [reaction], Millis(_START_MS + 27 * _MINUTE_MS))


async def _registers(office: BackOffice) -> None:
    await write_registers(office.log, office.profile.time_zone, office.clock.wall_ms())
    schedule = Schedule(("09:00", "17:00"), office.profile.time_zone, DelegationId("south"), DelegationId("north"))
    await write_line_checks(office.log, schedule, office.clock.wall_ms())


def _show_registers(page: Page, out: Path, name: str) -> None:
    """Take the registers' pages, one after the other, as somebody comes to them."""
    for channel, waited_for, picture in (
        ("joint/crossings", ".suspension .facts", "suspended"),
        ("joint/administration", ".proposal", "two-keys"),
        ("joint/line-checks", ".strip", "line-checks"),
        ("joint/dispatches", ".dispatch-line", "dispatches"),
    ):
        if page.locator(".narrow-only").first.is_visible():
            page.locator(".narrow-only").first.click()
        page.locator(f'.channels a[href="#{channel}"]').click()
        page.locator(waited_for).first.wait_for()
        page.screenshot(path=out / f"{picture}-{name}.png")
    page.locator(".dispatch-line", has_text="댐 방류").click()
    page.locator(".dispatch-body").wait_for()
    page.screenshot(path=out / f"dispatch-{name}.png")
    page.locator(".actions-of .primary").click()
    page.locator("dialog[open]").wait_for()
    page.screenshot(path=out / f"dispatch-dialog-{name}.png")
    page.keyboard.press("Escape")


def _sign_in(page: Page, server: LiveServer, user: str) -> None:
    page.goto(f"{server.url}/#joint/general")
    page.locator("[name=user]").fill(user)
    page.locator("[name=password]").fill(server.password_of(user))
    page.locator("button[type=submit]").click()
    page.locator(".message").last.wait_for()
    page.locator(".person").first.wait_for()
    page.evaluate("() => document.fonts.ready")


def main(out: Path) -> None:
    """Take them all."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        server = LiveServer(Path(folder) / "data")
        server.seed()
        server.administer(_talk)
        # Before a server keeps them: line checks of the past can't be written into a register that has begun.
        server.administer(_registers)
        with server:
            _take_all(server, play, out)


def _take_all(server: LiveServer, play: Playwright, out: Path) -> None:
    browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    colleague = browser.new_context().new_page()
    _sign_in(colleague, server, "north-head")
    for locale, language in (("ko-KR", "ko"), ("en-GB", "en")):
        for scheme in ("light", "dark"):
            context = browser.new_context(locale=locale, color_scheme=scheme, viewport=_DESKTOP, **_SEOUL)  # type: ignore[arg-type]
            page = context.new_page()
            name = f"{scheme}-{language}"
            page.goto(server.url)
            page.locator("[name=user]").wait_for()
            page.screenshot(path=out / f"login-{name}.png")
            _sign_in(page, server, "south-1")
            page.mouse.move(0, 0)
            page.screenshot(path=out / f"chat-{name}.png")
            for sheet, keys in (("switcher", "Control+k"), ("help", "Control+/"), ("date", "Control+Shift+D")):
                page.keyboard.press(keys)
                page.locator(".sheet").wait_for()
                page.screenshot(path=out / f"{sheet}-{name}.png")
                page.keyboard.press("Escape")
            page.locator(".own").click()
            page.screenshot(path=out / f"menu-{name}.png")
            page.locator(".menu > .button").first.click()
            page.locator(".sign-ins li").first.wait_for()
            page.screenshot(path=out / f"account-{name}.png")
            page.keyboard.press("Escape")
            page.keyboard.press("Control+Shift+F")
            page.get_by_role("searchbox").fill("방류")
            page.get_by_role("searchbox").press("Enter")
            page.locator(".result").first.wait_for()
            page.screenshot(path=out / f"search-{name}.png")
            page.set_viewport_size({"width": 1180, "height": 760})
            _show_registers(page, out, name)
            context.close()
    phone = browser.new_context(locale="ko-KR", viewport=_PHONE, has_touch=True, **_SEOUL)  # type: ignore[arg-type]
    page = phone.new_page()
    page.goto(f"{server.url}/#joint/general")
    page.locator("[name=user]").fill("south-2")
    page.locator("[name=password]").fill(server.password_of("south-2"))
    page.locator("button[type=submit]").click()
    page.locator(".message").last.wait_for()
    page.mouse.move(0, 0)
    page.screenshot(path=out / "phone-ko.png")
    page.locator(".conversation-head .narrow-only").click()
    page.screenshot(path=out / "phone-channels-ko.png")
    page.locator('.channels a[href="#joint/general"]').click()
    _show_registers(page, out, "phone-ko")
    browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
