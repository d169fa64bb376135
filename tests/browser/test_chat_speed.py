"""How the page feels on an old laptop: times on a processor that is slowed down to one speed, and counts."""

import http.client
import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import TypeVar

import pytest
from playwright.sync_api import Page, expect

from liaison.core.entries import Draft, EntryKind
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.rights import Channel
from liaison.wiring import BackOffice
from tests.browser.conftest import SitDown
from tests.live_server import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.alone]

_MESSAGES = 10_000
_RUNS = 7
_QUIET_RUNS = 3
_KEY_EVERY_MS = 60
_WRITERS = 5
_RATE_PER_S = 50
_KEYS = 25
_BATCH = 500
# A slowdown is a factor on whatever machine this runs on; what is meant is one speed, a quarter of that of a current
# desktop processor. It is known by how long _BURDEN takes there.
_OLD_LAPTOP_BURDEN_MS = 8.0
_QUIET_MS = 1.1 * _OLD_LAPTOP_BURDEN_MS
_START_MS = 1_780_000_000_000
Run = TypeVar("Run")

_SENTENCE = "오늘 오후 3시 회의 자료를 공유드립니다. 확인 부탁드립니다. "


def _draft(number: int) -> Draft:
    side = "south" if number % 7 < 4 else "north"
    author = UserId(f"{side}-{1 + number // 3 % 4}")
    text = _SENTENCE * (1 + number % 5) + str(number)
    return Draft(author, DelegationId(side), f"seed-{number}", EntryKind.TEXT, text=text)


@pytest.fixture(scope="module")
def settings() -> Mapping[str, str]:
    """One writer may write as fast as a busy office does."""
    raised = ("COMMANDS_PER_S", "COMMANDS_BURST", "USER_PUBLISHES_PER_S", "USER_PUBLISHES_BURST")
    return {f"LIAISON_LIMITS__{name}": "1000" for name in raised}


@pytest.fixture(scope="module")
def long_channel(server: LiveServer) -> str:
    """A channel that has been written in for weeks."""
    channel = ChannelId("joint/archive")

    async def write(office: BackOffice) -> None:
        await office.accounts.create_channel(Channel(channel, "기록", "Archive"), by="test")
        for start in range(0, _MESSAGES, _BATCH):
            drafts = [_draft(number) for number in range(start, start + _BATCH)]
            await office.log.append(channel, drafts, Millis(_START_MS + start * 120_000))

    server.administer(write)
    return channel


_SCROLL = """async ({ frames, step }) => {
    const log = document.querySelector(".log");
    log.scrollTop = log.scrollHeight;
    await new Promise(requestAnimationFrame);
    const times = [];
    let rows = 0;
    let before = performance.now();
    for (let count = 0; count < frames; count += 1) {
        log.scrollTop -= step;
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        times.push(now - before);
        before = now;
        rows = Math.max(rows, document.querySelectorAll(".log li.message, .log li.divider").length);
    }
    return { times: times.slice(1), rows };
}"""

# The same little work in each frame: how long it takes tells how much else the machine does. (ms, the slow tenth)
_BURDEN = """async () => {
    const times = [];
    for (let count = 0; count < 20; count += 1) {
        await new Promise(requestAnimationFrame);
        const began = performance.now();
        let sum = 0;
        for (let step = 0; step < 150_000; step += 1) sum = (sum + step * step) % 1_000_003;
        times.push(performance.now() - began + (sum < 0 ? 1 : 0));
    }
    return times.sort((a, b) => a - b)[17];
}"""


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _slow_down(page: Page) -> None:
    unslowed = min(page.evaluate(_BURDEN) for _ in range(5))
    rate = max(1.0, _OLD_LAPTOP_BURDEN_MS / unslowed)
    print(f"\nburden: {unslowed:.1f} ms, slowed down {rate:.1f} times")
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": rate})


def _quiet_runs(page: Page, run: Callable[[], Run]) -> list[Run]:
    """What those of several runs came to beside which the machine did the least else, whatever they came to.

    Where the machine does nothing else the first ones are as good as any.
    """
    burdened: list[tuple[float, Run]] = []
    before = page.evaluate(_BURDEN)
    while len(burdened) < _RUNS and sum(burden < _QUIET_MS for burden, _ in burdened) < _QUIET_RUNS:
        result = run()
        after = page.evaluate(_BURDEN)
        burdened.append((max(before, after), result))
        before = after
    burdened.sort(key=lambda pair: pair[0])
    print(f"\nburden: {[round(burden) for burden, _ in burdened]} ms, of which the first {_QUIET_RUNS} count")
    return [result for _, result in burdened[:_QUIET_RUNS]]


def test_ten_thousand_messages_scroll_smoothly_with_few_rows_in_the_document(
    sit_down: SitDown, long_channel: str
) -> None:
    screen = sit_down("south-1", long_channel, fresh=True)
    expect(screen.messages.last).to_contain_text(str(_MESSAGES - 1))
    _load_all(screen.page)
    _slow_down(screen.page)
    runs = _quiet_runs(screen.page, lambda: screen.page.evaluate(_SCROLL, {"frames": 60, "step": 700}))
    p95 = [round(_percentile(run["times"], 0.95), 1) for run in runs]
    over = [sum(time > 50 for time in run["times"]) for run in runs]
    worst = [round(max(run["times"]), 1) for run in runs]
    rows = max(run["rows"] for run in runs)
    print(f"scroll: p95 {p95} ms, worst {worst} ms, frames over 50 ms {over}, rows {rows}")
    assert rows <= 60
    assert median(p95) <= 50
    assert median(over) == 0


def _load_all(page: Page) -> None:
    """Scroll up until the first message of the channel is there."""
    page.evaluate(
        """async () => {
            const log = document.querySelector(".log");
            while (log.querySelector("li").ariaPosInSet !== "1" || log.querySelector("li").ariaSetSize === "-1") {
                log.scrollTop = 0;
                await new Promise((resolve) => setTimeout(resolve, 5));
            }
        }"""
    )
    expect(page.locator(".log li").first).to_have_attribute("aria-posinset", "1")


_NOTE_FIRST_MESSAGE = """window.painted = new Promise((resolve) => {
    const observer = new MutationObserver(() => {
        if (!document.querySelector(".message .text")) return;
        observer.disconnect();
        requestAnimationFrame(() => {
            const channel = new MessageChannel();
            channel.port1.onmessage = () => resolve(performance.now());
            channel.port2.postMessage(0);
        });
    });
    observer.observe(document, { childList: true, subtree: true });
});"""


def test_first_message_is_painted_within_a_second_of_opening_the_page(sit_down: SitDown, long_channel: str) -> None:
    page = sit_down("south-2", long_channel, fresh=True).page
    page.add_init_script(_NOTE_FIRST_MESSAGE)
    _slow_down(page)
    page.context.new_cdp_session(page).send("Network.setCacheDisabled", {"cacheDisabled": True})
    times = []
    for _ in range(_RUNS):
        page.reload()
        times.append(page.evaluate("() => window.painted"))
    print(f"\nfirst message: {[round(time) for time in times]} ms, nothing from the cache")
    assert median(times) <= 1000


_NOTE_KEYS = """() => {
    window.delays = [];
    document.querySelector("#composer").addEventListener("keydown", (event) => {
        requestAnimationFrame(() => {
            const channel = new MessageChannel();
            channel.port1.onmessage = () => window.delays.push(performance.now() - event.timeStamp);
            channel.port2.postMessage(0);
        });
    });
}"""


@contextmanager
def _writers(server: LiveServer, token: str, channel: str) -> Iterator[None]:
    """Others write to a channel all the while, at the rate of a very busy hour; afterwards says at which."""
    is_over = threading.Event()
    numbers = itertools.count()
    series = uuid.uuid4()

    def write() -> None:
        line = http.client.HTTPConnection(server.host, server.port)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        due = time.monotonic()
        while not is_over.wait(max(0.0, due - time.monotonic())):
            number = next(numbers)
            words = json.dumps({"text": f"{_SENTENCE}{number}", "key": f"{series}-{number}"})
            line.request("POST", f"/api/v1/channels/{channel}/messages", words, headers)
            answer = line.getresponse()
            answer.read()
            assert answer.status == 201
            due += _WRITERS / _RATE_PER_S
        line.close()

    threads = [threading.Thread(target=write) for _ in range(_WRITERS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
        print(f"messages: {next(numbers) / (time.monotonic() - began):.0f} a second")


def test_key_is_on_the_screen_within_100_ms_while_50_messages_a_second_arrive(
    sit_down: SitDown, server: LiveServer
) -> None:
    screen = sit_down("south-3", "joint/weather", fresh=True)
    page = screen.page
    token = server.token("north-teller", "north", ["joint/weather"])
    screen.composer.press_sequentially("가")
    page.evaluate(_NOTE_KEYS)
    _slow_down(page)

    def write() -> float:
        page.evaluate("() => { window.delays.length = 0; }")
        with _writers(server, token, "joint/weather"):
            screen.composer.press_sequentially("a" * _KEYS, delay=_KEY_EVERY_MS)
        page.wait_for_function(f"() => window.delays.length === {_KEYS}")
        return float(page.evaluate("() => Math.max(...window.delays)"))

    worst = _quiet_runs(page, write)
    print(f"key to frame: {[round(time) for time in worst]} ms at most")
    assert max(worst) <= 100


_NOTE_SHIFTS = """window.shifts = [];
const wordsOf = ({ node }) => (node?.outerHTML ?? node?.data ?? "").slice(0, 100);
new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries())
        if (!hadRecentInput) window.shifts.push({ value, of: sources.map(wordsOf) });
}).observe({ type: "layout-shift", buffered: true });"""


def test_nothing_moves_while_the_page_loads_and_messages_come(
    sit_down: SitDown, server: LiveServer, long_channel: str
) -> None:
    screen, north = sit_down("south-4", "joint/general", fresh=True), sit_down("north-4", "joint/general")
    page = screen.page
    page.add_init_script(_NOTE_SHIFTS)
    for channel in (long_channel, "joint/general"):
        page.goto(f"/#{channel}")
        page.reload()
        expect(page.locator(".people .person").first).to_be_visible()
    for number in range(10):
        north.say(f"움직이지 않습니다 {number}")
    expect(screen.messages.last).to_have_text("움직이지 않습니다 9")
    page.evaluate(f"() => {{ location.hash = '#{long_channel}'; }}")
    expect(screen.messages.last).to_contain_text(str(_MESSAGES - 1))
    page.evaluate("() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
    shifts = page.evaluate("() => window.shifts")
    print(f"\nlayout shifts: {shifts}")
    assert shifts == []
