"""What all tests share: their order, the settings of property tests, and the browser."""

import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.postgres_server import PostgresServer

# From what fails fastest to what takes longest. The browser comes last for a second reason: Playwright's synchronous
# API leaves an event loop running on the main thread until the session ends, and no asyncio test can run after that.
ORDER = ("", "slow", "system", "browser")

# No deadline per example: two shared cores make single examples slow at random. In CI the examples are the same each
# time, so that a change isn't held up by a rare find that it didn't cause; developers' runs go on finding those.
settings.register_profile("liaison", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.load_profile("liaison")


def pytest_configure() -> None:
    # A shell's background job ignores interrupts, and so would every process that a test starts and interrupts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return max(ORDER.index(mark) for mark in _marks(item))

    items.sort(key=place)
    if "PYTEST_XDIST_WORKER" in os.environ:
        _longest_first(items, place)


def _longest_first(items: list[pytest.Item], place: Callable[[pytest.Item], int]) -> None:
    """Let workers that share files begin with those that take longest, so that none waits for another at the end.

    What a file takes is guessed: by the time that it asks for, by its marks, by how many tests it has. The browser
    still comes last.
    """
    sizes = Counter(item.path for item in items)
    browser = ORDER.index("browser")

    def turn(item: pytest.Item) -> tuple[bool, float, int, int]:
        limit = item.get_closest_marker("timeout")
        return place(item) == browser, -(limit.args[0] if limit else 0), -place(item), -sizes[item.path]

    items.sort(key=turn)


def _marks(item: pytest.Item) -> Iterable[str]:
    yield ""
    yield from (mark.name for mark in item.iter_markers() if mark.name in ORDER)


def chromium_path() -> str | None:
    """Where Debian's Chromium is, for Playwright's own download isn't to be had everywhere.

    The one without a window is preferred. A page in a new context takes it a third of the processor's time: the other
    draws a toolbar around each, in a process of its own, that nobody sees.
    """
    return shutil.which("chromium-headless-shell") or shutil.which("chromium")


@pytest.fixture(scope="session")
def browser_type_launch_args(request: pytest.FixtureRequest) -> dict[str, object]:
    chromium = chromium_path()
    if chromium is None:
        pytest.fail("The browser tests need Chromium; `.ci/system-packages` installs it.")
    arguments = [
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        # Without these it looks up its maker's hosts, which costs seconds where there is no way out.
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        # A shared /dev/shm of 64 MiB, as in containers, crashes its pages.
        "--disable-dev-shm-usage",
    ]
    # What is measured is measured in a browser as people have it. Elsewhere pages live for a second, in which it pays
    # neither to optimise their scripts nor to draw them in a process of its own: a fifth of the processor's time.
    if not any(item.get_closest_marker("alone") for item in request.session.items):
        arguments += ["--in-process-gpu", "--js-flags=--no-turbofan --no-maglev"]
    # Chromium's sandbox refuses to start for root.
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    return {"executable_path": chromium, "args": arguments, "headless": True}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, object]) -> dict[str, object]:
    """Officials' browsers speak Korean; a test for English overrides this."""
    return {**browser_context_args, "locale": "ko-KR", "timezone_id": "Asia/Seoul"}


@pytest.fixture(scope="session")
def postgres_server() -> Iterator["PostgresServer"]:
    """One PostgreSQL for everybody who does it no harm; each test takes an office of its own there."""
    from tests.postgres_server import PostgresServer

    with PostgresServer() as server:
        yield server


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("simulation")
    group.addoption("--seeds", type=int, default=50, help="how many seeds the simulation runs (a release: 2000)")
    group.addoption("--first-seed", type=int, default=0, help="the first of them")
    group = parser.getgroup("browser")
    group.addoption("--all-appearances", action="store_true", help="let axe look at every screen × theme × language")
    group = parser.getgroup("system")
    group.addoption("--long-stall", action="store_true", help="let stalled readers stall for 60 s (`make test`: 10 s)")
