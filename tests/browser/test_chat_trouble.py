"""A server that lies, is older, or is heard no more: the page says what it knows, and goes on."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.chat_screen import ChatScreen
from tests.browser.conftest import BRITISH, SignIn, SitDown

pytestmark = [pytest.mark.browser, pytest.mark.system]

_LIES = [
    {"type": "of_a_newer_server", "anything": [1, 2, 3]},
    {"type": "message"},
    {"type": "message", "channel": 7, "seq": "x"},
    {"type": "presence_diff", "epoch": "?", "from_version": 99, "version": 98, "joins": 4},
    {"type": "read", "channel": "joint/general", "delegation": "north", "seq": -4},
    {"type": "channel", "event": "exploded", "channel": "joint/general"},
    {"type": "notice", "severity": "info", "name": "x", "text": "no title"},
    {"type": "reply", "id": 12345},
    {"type": "error", "id": 0, "code": 1, "name": "nonsense"},
    {"no": "type"},
    [],
    None,
]


def _between(page: Page, on_route: Callable[[WebSocketRoute], None]) -> None:
    page.route_web_socket(re.compile("/api/v1/socket"), on_route)


def _pass_on(route: WebSocketRoute) -> WebSocketRoute:
    server = route.connect_to_server()
    route.on_message(server.send)
    server.on_message(route.send)
    return server


def test_nothing_that_a_server_pushes_breaks_the_page(sit_down: SitDown) -> None:
    screen = sit_down("south-1", fresh=True, **BRITISH)
    routes: list[WebSocketRoute] = []

    def tap(route: WebSocketRoute) -> None:
        routes.append(route)
        _pass_on(route)

    _between(screen.page, tap)
    screen.page.reload()
    expect(screen.link).to_have_text("Connected")
    for lie in _LIES:
        # Bytes where text was agreed, and the lie itself.
        routes[-1].send(json.dumps(lie).encode())
        routes[-1].send(json.dumps(lie))
    expect(screen.link).to_have_text("Connected", timeout=30_000)
    screen.say("Still here")
    expect(screen.message("Still here").locator("[data-state=delivered]")).to_be_attached(timeout=30_000)


def test_message_that_was_lost_on_the_way_is_fetched(sit_down: SitDown) -> None:
    screen, north = sit_down("south-2", fresh=True, **BRITISH), sit_down("north-2")
    drops = {"left": 1}

    def lossy(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        route.on_message(server.send)

        def forward(frame: str | bytes) -> None:
            data = frame.encode() if isinstance(frame, str) else frame
            if drops["left"] and b"is lost" in data:
                drops["left"] -= 1
                return
            route.send(frame)

        server.on_message(forward)

    _between(screen.page, lossy)
    screen.page.reload()
    expect(screen.link).to_have_text("Connected")
    north.say("This one is lost")
    expect(north.message("This one is lost").locator("[data-state=delivered]")).to_be_attached()
    north.say("This one comes")
    expect(screen.message("This one comes")).to_be_visible()
    expect(screen.message("This one is lost")).to_be_visible()
    assert drops["left"] == 0


def test_line_that_died_without_a_word_is_noticed_within_30_s_and_resumed(sit_down: SitDown) -> None:
    screen, north = sit_down("south-3", fresh=True, **BRITISH), sit_down("north-3")
    stalled = {"is": False}
    routes: list[WebSocketRoute] = []

    def stall(route: WebSocketRoute) -> None:
        routes.append(route)
        server = route.connect_to_server()

        # Only the first line dies; the next one is as good as new.
        def is_dead() -> bool:
            return stalled["is"] and route is routes[0]

        route.on_message(lambda frame: None if is_dead() else server.send(frame))
        server.on_message(lambda frame: None if is_dead() else route.send(frame))

    _between(screen.page, stall)
    screen.page.reload()
    expect(screen.link).to_have_text("Connected")
    stalled["is"] = True
    north.say("Nobody hears this yet")
    # The words may stand for less than a second, so the page itself keeps watch for them.
    screen.page.evaluate(
        """() => {
            window.said = [];
            const note = () => window.said.push(document.querySelector(".link").textContent);
            new MutationObserver(note).observe(document.querySelector(".link"), { childList: true, subtree: true,
                characterData: true, attributes: true });
        }"""
    )
    screen.page.wait_for_function("() => window.said.some((words) => /Complete up to \\d/.test(words))", timeout=30_000)
    expect(screen.message("Nobody hears this yet")).to_be_visible(timeout=20_000)


# On its first load the page offers what no server here speaks, as a page does that is older than its server.
_OUTDATED_ONCE = """if (!sessionStorage.wasOutdated) {
    sessionStorage.wasOutdated = "yes";
    const Real = WebSocket;
    window.WebSocket = class { constructor(url) { return new Real(url, ["liaison.v0.json"]); } };
}"""


def test_page_whose_version_the_server_does_not_speak_asks_for_a_reload_which_mends_it(sign_in: SignIn) -> None:
    page = sign_in("south-4", fresh=True, **BRITISH)
    page.add_init_script(_OUTDATED_ONCE)
    newer = {"Sec-WebSocket-Protocol": "liaison.v2.json"}
    page.route("**/api/v1/socket", lambda route: route.fulfill(status=400, headers=newer))
    page.reload()
    status = page.get_by_role("status").filter(has_text="another version")
    expect(status).to_have_text("The server speaks another version than this page.")
    # What this device knows is still there to read.
    expect(page.locator(".channels a").first).to_be_visible()
    page.get_by_role("button", name="Reload the page").click()
    expect(ChatScreen(page).link).to_have_text("Connected")


@pytest.mark.parametrize(("code", "text"), [(4503, "access was withdrawn"), (4500, "Reload the page")])
def test_close_that_is_final_is_said_in_words(sign_in: SignIn, code: int, text: str) -> None:
    page = sign_in("south-4", fresh=True, **BRITISH)
    screen = ChatScreen(page)
    routes: list[WebSocketRoute] = []

    def tap(route: WebSocketRoute) -> None:
        routes.append(route)
        _pass_on(route)

    _between(page, tap)
    page.reload()
    expect(screen.link).to_have_text("Connected")
    routes[-1].close(code=code)
    expect(page.get_by_role("alert")).to_contain_text(text)
