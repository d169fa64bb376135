"""A real server with the built client, and people who sit down at its pages."""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect
from playwright.sync_api import Error as PlaywrightError

from liaison.cli.demo_registers import write_registers
from liaison.wiring import BackOffice
from tests.browser.chat_screen import ChatScreen
from tests.live_server import LiveServer, free_port

ROOT = Path(__file__).resolve().parents[2]

KOREAN = {"locale": "ko-KR"}
BRITISH = {"locale": "en-GB"}
DESKTOP = ViewportSize(width=1280, height=720)

Cookies = Sequence[Any]

# Other workers' browsers want the two cores as well; what measures has bounds of its own.
expect.set_options(timeout=15_000)

_VIOLATION = "policy violation"
# Whatever the policy of the page forbids and the page tries all the same fails the test that made it do so.
_REPORT_VIOLATIONS = f"""document.addEventListener("securitypolicyviolation", (event) => {{
    if (window.expectsViolations) return;
    console.error("{_VIOLATION}: " + event.violatedDirective + " " + event.blockedURI + " " + event.sample);
}});"""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Look at each screen in both languages and both appearances; at all four pairs of them when asked to."""
    if {"locale", "scheme"} <= set(metafunc.fixturenames):
        pairs = [(KOREAN, "light"), (BRITISH, "dark")]
        if metafunc.config.getoption("--all-appearances"):
            pairs += [(KOREAN, "dark"), (BRITISH, "light")]
        names = [f"{locale['locale'][:2]}-{scheme}" for locale, scheme in pairs]
        metafunc.parametrize(("locale", "scheme"), pairs, ids=names)


@pytest.fixture(scope="session")
def client_build() -> None:
    """The client as its sources are now; a no-op where it is fresh."""
    subprocess.run([sys.executable, ROOT / "deploy/build_client.py", "build"], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def port() -> int:
    """Where all servers are, one after the other: what a browser has loaded from one it needn't load from the next."""
    return free_port()


@pytest.fixture(scope="module")
def settings() -> Mapping[str, str]:
    """What a module's server is told by its environment."""
    return {}


@pytest.fixture(scope="module")
def server(
    client_build: None, port: int, settings: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server for the tests of one module; a test that needs silence takes a channel of its own."""
    with LiveServer(tmp_path_factory.mktemp("office") / "data", settings, port=port) as live:
        yield live


@pytest.fixture(scope="module")
def registers(server: LiveServer) -> None:
    """What the demonstration's registers hold, in the server's; it finds what was written beside it."""

    async def write(office: BackOffice) -> None:
        await write_registers(office.log, office.profile.time_zone, office.clock.wall_ms())

    server.administer(write)


class OpenPage(Protocol):
    """Opens a page in a browser of its own, as on another computer.

    It may be one that another test has used, with nothing left of that. `fresh` is never one that was or will be used
    by another test: for tests that alter the browser itself, its clock, its scripts or its line.
    """

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
        """Leave the office, and forget everything; say whether that worked."""
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
        self.page.context.clear_cookies()
        self.page.emulate_media(media="null", color_scheme="null", reduced_motion="null")
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


class Computers:
    """Those that stand in this worker's office. To open one anew costs twice what it costs to load a page again."""

    def __init__(self, new_context: Callable[..., BrowserContext]) -> None:
        self._new_context = new_context
        self._in_use: list[tuple[Computer, str | None]] = []
        self._parked: defaultdict[str, list[Computer]] = defaultdict(list)

    def take(self, *, fresh: bool, **context: Any) -> Page:
        """Give the page of one that nobody uses. Those that differ by more than their language are not used again."""
        kind = None if fresh or context.keys() - {"locale"} else str(context.get("locale"))
        parked = self._parked[kind] if kind else []
        computer = parked.pop() if parked else Computer(self._new_context(**context))
        self._in_use.append((computer, kind))
        return computer.page

    def give_back(self) -> list[str]:
        """Park those in use, and say what failed in their scripts."""
        errors = [error for computer, _ in self._in_use for error in computer.errors]
        for computer, kind in self._in_use:
            if kind and computer.park():
                self._parked[kind].append(computer)
            else:
                computer.close()
        self._in_use.clear()
        return errors


@pytest.fixture(scope="session")
def all_computers(browser: Browser, browser_context_args: dict[str, Any], port: int) -> Computers:
    def new_context(**context: Any) -> BrowserContext:
        return browser.new_context(**{**browser_context_args, "base_url": f"http://127.0.0.1:{port}", **context})

    return Computers(new_context)


@pytest.fixture
def computers(all_computers: Computers, server: LiveServer) -> Iterator[Computers]:
    yield all_computers
    assert all_computers.give_back() == [], "scripts of the page failed"


@pytest.fixture
def open_page(computers: Computers) -> OpenPage:
    def open_one(
        path: str = "/",
        *,
        fresh: bool = False,
        cookies: Cookies = (),
        viewport: ViewportSize | None = None,
        **context: Any,
    ) -> Page:
        page = computers.take(fresh=fresh, **context)
        page.context.add_cookies(cookies)
        if page.viewport_size != (viewport or DESKTOP):
            page.set_viewport_size(viewport or DESKTOP)
        page.goto(path)
        return page

    return open_one


SignIn = Callable[..., Page]


@pytest.fixture(scope="module")
def cookies(server: LiveServer) -> dict[str, Any]:
    """What browsers hold of people who have signed in before: the form and the slow hash once each are enough."""
    return {}


@pytest.fixture
def sign_in(open_page: OpenPage, server: LiveServer, cookies: dict[str, Any]) -> SignIn:
    """Sign somebody in at a computer of their own; with `anew` by the form, and to a sign-in that nobody else has."""

    def sign_one_in(user: str, path: str = "/", *, anew: bool = False, **context: Any) -> Page:
        page = open_page(path, cookies=() if anew else cookies.get(user, ()), **context)
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
