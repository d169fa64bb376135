"""Takes pictures of the pages from the demonstration's people: `python -m tests.browser.screenshots OUTDIR`.

They are looked at by people before a change of the pages is called done; three small ones stand in the README.
"""

import re
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
from tests.conftest import chromium_path
from tests.live_server import LiveServer
from tests.postgres_server import PostgresServer
from tests.system.shared_stores import settings_of_workers

_SEOUL = {"timezone_id": "Asia/Seoul"}
_DESKTOP = {"width": 1044, "height": 530}
_OPERATIONS = {"width": 1280, "height": 800}
_PHONE = {"width": 390, "height": 780}
_START_MS = 1_795_480_000_000
_MINUTE_MS = 60_000
_RECORD = re.compile("Signed record|서명")
# Two steps of figures, after which each node has told of itself.
_FIGURES_MS = 15_000

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


def _sign_record(page: Page, text: str) -> None:
    """Let a head say something about the weather, make a key in their browser, and sign what was said."""
    page.locator('.channels a[href="#joint/weather"]').click()
    page.locator("#composer").fill(text)
    page.locator("#composer").press("Enter")
    page.locator(".message [data-state=delivered]").last.wait_for(state="attached")
    page.get_by_role("button", name="Signed record").click()
    page.get_by_role("button", name="Make a key for our side").click()
    page.get_by_role("button", name="Sign for our side").click()
    page.locator(".key[data-turned=true]").first.wait_for()


def _show_record(page: Page, out: Path, name: str) -> None:
    """Take the signed record of the channel that the heads have signed."""
    if page.locator(".narrow-only").first.is_visible():
        page.locator(".narrow-only").first.click()
    page.locator('.channels a[href="#joint/weather"]').click()
    page.locator(".message").last.wait_for()
    page.locator(".conversation-head").get_by_role("button", name=_RECORD).click()
    page.locator(".key[data-turned=true]").nth(1).wait_for()
    page.screenshot(path=out / f"record-{name}.png")
    page.keyboard.press("Escape")


def _sign_in(page: Page, server: LiveServer, user: str, *, is_empty: bool = False) -> None:
    page.goto(f"{server.url}/#joint/general")
    page.locator("[name=user]").fill(user)
    page.locator("[name=password]").fill(server.password_of(user))
    page.locator("button[type=submit]").click()
    if not is_empty:
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
        with PostgresServer() as postgres:
            _take_operations(Path(folder), postgres, play, out)


def _take_all(server: LiveServer, play: Playwright, out: Path) -> None:
    browser = play.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
    for head, text in (("south-head", "내일 오전 비, 시간당 5 mm 안팎입니다."), ("north-head", "접수하였습니다.")):
        colleague = browser.new_context(locale="en-GB").new_page()
        _sign_in(colleague, server, head)
        _sign_record(colleague, text)
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
            _show_record(page, out, name)
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
    _show_record(page, out, "phone-ko")
    _show_registers(page, out, "phone-ko")
    browser.close()


def _take_operations(folder: Path, postgres: PostgresServer, play: Playwright, out: Path) -> None:
    """Take the page for operations of an office of two nodes."""
    settings = settings_of_workers(postgres, 2)
    with LiveServer(folder / "nodes", settings) as server:
        browser = play.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        for user in ("south-1", "north-1", "north-2"):
            page = browser.new_context().new_page()
            _sign_in(page, server, user, is_empty=True)
        state = None
        for locale, language in (("ko-KR", "ko"), ("en-GB", "en")):
            context = browser.new_context(locale=locale, viewport=_OPERATIONS, storage_state=state, **_SEOUL)  # type: ignore[arg-type]
            page = context.new_page()
            page.goto(f"{server.url}/ops")
            if state is None:
                page.locator("[name=user]").fill("ops")
                page.locator("[name=password]").fill(server.password_of("ops"))
                page.locator("button[type=submit]").click()
            page.locator("table.nodes tbody tr").nth(2).wait_for(timeout=_FIGURES_MS)
            page.locator(".plot canvas").nth(6).wait_for()
            state = context.storage_state()
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                page.screenshot(path=out / f"ops-{scheme}-{language}.png", full_page=True)
            page.set_viewport_size(_PHONE)  # type: ignore[arg-type]
            page.screenshot(path=out / f"ops-phone-{language}.png", full_page=True)
            context.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
