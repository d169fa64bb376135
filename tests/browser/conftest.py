"""A real server with the built client, and people who sit down at its pages."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

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


@pytest.fixture
def open_page(browser: Browser, browser_context_args: dict[str, Any], server: LiveServer) -> Iterator[OpenPage]:
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_one(path: str = "/", **context: Any) -> Page:
        contexts.append(browser.new_context(**{**browser_context_args, "base_url": server.url, **context}))
        contexts[-1].add_init_script(_REPORT_VIOLATIONS)
        page = contexts[-1].new_page()
        page.on("console", lambda message: errors.append(message.text) if _VIOLATION in message.text else None)
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert errors == [], "scripts of the page failed"


SignIn = Callable[..., Page]


@pytest.fixture(scope="module")
def cookies(server: LiveServer) -> dict[str, Any]:
    """What browsers hold of people who have signed in before: the form and the slow hash once each are enough."""
    return {}


@pytest.fixture
def sign_in(open_page: OpenPage, server: LiveServer, cookies: dict[str, Any]) -> SignIn:
    """Sign somebody in at a computer of their own; with `anew` by the form, else perhaps by a cookie from before."""

    def sign_one_in(user: str, path: str = "/", *, anew: bool = False, **context: Any) -> Page:
        if user in cookies and not anew:
            page = open_page(path, storage_state={"cookies": cookies[user]}, **context)
        else:
            page = open_page(path, **context)
            page.locator("[name=user]").fill(user)
            page.locator("[name=password]").fill(server.password_of(user))
            page.locator("button[type=submit]").click()
        expect(page.locator(".link[data-state=connected], .card h1 + p").first).to_be_attached()
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
