"""A real server with the built client, and people who sit down at its pages."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from playwright.sync_api import Error as PlaywrightError

from liaison.cli.demo_registers import write_registers
from liaison.wiring import BackOffice
from tests.browser.chat_screen import ChatScreen
from tests.live_server import LiveServer

ROOT = Path(__file__).resolve().parents[2]

KOREAN = {"locale": "ko-KR"}
BRITISH = {"locale": "en-GB"}

# Other workers' browsers want the two cores as well; what measures has bounds of its own.
expect.set_options(timeout=15_000)

_VIOLATION = "policy violation"
# Whatever the policy of the page forbids and the page tries all the same fails the test that made it do so.
_REPORT_VIOLATIONS = f"""document.addEventListener("securitypolicyviolation", (event) => {{
    if (window.expectsViolations) return;
    console.error("{_VIOLATION}: " + event.violatedDirective + " " + event.blockedURI + " " + event.sample);
}});"""


@pytest.fixture(scope="session")
def client_build() -> None:
    """The client as its sources are now; a no-op where it is fresh."""
    subprocess.run([sys.executable, ROOT / "deploy/build_client.py", "build"], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def server(client_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server for the tests of one module; a test that needs silence takes a channel of its own."""
    with LiveServer(tmp_path_factory.mktemp("office") / "data") as live:
        yield live


@pytest.fixture(scope="module")
def registers(server: LiveServer) -> None:
    """What the demonstration's registers hold, in the server's; it finds what was written beside it."""

    async def write(office: BackOffice) -> None:
        await write_registers(office.log, office.profile.time_zone, office.clock.wall_ms())

    server.administer(write)


class OpenPage(Protocol):
    """Opens a page in a browser of its own, as on another computer."""

    def __call__(self, path: str = "/", **context: Any) -> Page: ...


class Computer:
    """A browser of its own with one page. What fails in its scripts fails the test that has it."""

    def __init__(self, context: BrowserContext) -> None:
        self.errors: list[str] = []
        context.add_init_script(_REPORT_VIOLATIONS)
        self.page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.page.on("console", lambda message: self._note(message.text) if _VIOLATION in message.text else None)
        self.page.on("pageerror", lambda error: self._note(str(error)))

    def _note(self, error: str) -> None:
        self.errors.append(error)

    def close(self) -> None:
        self.page.context.close()

    def park(self) -> bool:
        """Leave the office, and forget everything but who has signed in; say whether that worked."""
        self.errors = []
        try:
            for page in self.page.context.pages:
                if page != self.page:
                    page.close()
            self.page.unroute_all()
            self.page.goto("/livez")
            self.page.evaluate(_FORGET)
        except PlaywrightError:
            return False
        self.page.emulate_media(media="null", color_scheme="null")
        self.page.mouse.move(0, 0)
        return True


# Not under the page itself: what it has open can't be deleted.
_FORGET = """async () => {
    localStorage.clear();
    sessionStorage.clear();
    const names = (await indexedDB.databases()).map(({ name }) => name);
    await Promise.all(names.map((name) => new Promise((resolve) => {
        const request = indexedDB.deleteDatabase(name);
        request.onsuccess = request.onerror = request.onblocked = resolve;
    })));
}"""


@pytest.fixture(scope="module")
def parked(server: LiveServer) -> Iterator[dict[str, Computer]]:
    """Computers of people whose tests are over. To open a page anew costs four times what loading it again does."""
    computers: dict[str, Computer] = {}
    yield computers
    for computer in computers.values():
        computer.close()


@pytest.fixture
def in_use(parked: dict[str, Computer]) -> Iterator[list[tuple[str, Computer]]]:
    """The computers of one test, and whose each is; those of nobody, or that a test altered, are not used again."""
    computers: list[tuple[str, Computer]] = []
    yield computers
    errors = [error for _, computer in computers for error in computer.errors]
    for user, computer in computers:
        if user and user not in parked and computer.park():
            parked[user] = computer
        else:
            computer.close()
    assert errors == [], "scripts of the page failed"


@pytest.fixture
def open_page(
    browser: Browser, browser_context_args: dict[str, Any], server: LiveServer, in_use: list[tuple[str, Computer]]
) -> OpenPage:
    def open_one(path: str = "/", **context: Any) -> Page:
        computer = Computer(browser.new_context(**{**browser_context_args, "base_url": server.url, **context}))
        in_use.append(("", computer))
        computer.page.goto(path)
        return computer.page

    return open_one


SignIn = Callable[..., Page]


@pytest.fixture(scope="module")
def cookies(server: LiveServer) -> dict[str, Any]:
    """What browsers hold of people who have signed in before: the form and the slow hash once each are enough."""
    return {}


@pytest.fixture
def sign_in(
    open_page: OpenPage,
    server: LiveServer,
    cookies: dict[str, Any],
    parked: dict[str, Computer],
    in_use: list[tuple[str, Computer]],
) -> SignIn:
    """Sign somebody in at a computer of their own.

    It may be one that they used before, with nothing left of it but the cookie. `fresh` is never one that was or will
    be used by another test: for tests that alter the browser itself, its clock or its scripts. `anew` is that as well,
    and signs in by the form.
    """

    def open_one(user: str, path: str, *, fresh: bool, **context: Any) -> Page:
        if not fresh and not context and user in parked:
            computer = parked.pop(user)
            in_use.append((user, computer))
            computer.page.goto(path)
            return computer.page
        if user in cookies:
            context["storage_state"] = {"cookies": cookies[user]}
        page = open_page(path, **context)
        if not fresh and context.keys() <= {"storage_state"}:
            in_use[-1] = (user, in_use[-1][1])
        return page

    def sign_one_in(user: str, path: str = "/", *, anew: bool = False, fresh: bool = False, **context: Any) -> Page:
        page = open_page(path, **context) if anew else open_one(user, path, fresh=fresh, **context)
        inside, form = page.locator(".link[data-state=connected], .card h1 + p").first, page.locator("[name=user]")
        expect(inside.or_(form).first).to_be_attached()
        if form.is_visible():
            form.fill(user)
            page.locator("[name=password]").fill(server.password_of(user))
            page.locator("button[type=submit]").click()
            expect(inside).to_be_attached()
        if not anew:
            cookies[user] = page.context.cookies()
        return page

    return sign_one_in


SitDown = Callable[..., ChatScreen]


@pytest.fixture
def sit_down(sign_in: SignIn) -> SitDown:
    """Sign somebody in to the chat and open a channel."""

    def sit_one_down(user: str, channel: str = "joint/general", **context: Any) -> ChatScreen:
        screen = ChatScreen(sign_in(user, **context))
        screen.open(channel)
        return screen

    return sit_one_down
