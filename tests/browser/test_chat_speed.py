"""How the page feels on an old laptop: times under a processor that is slowed down four times, and counts."""

from collections.abc import Sequence
from statistics import median

import pytest
from playwright.sync_api import Page, expect

from liaison.core.entries import Draft, EntryKind
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.rights import Channel
from liaison.wiring import BackOffice
from tests.browser.conftest import SitDown
from tests.live_server import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.system]

_MESSAGES = 10_000
_BATCH = 500
_SLOWDOWN = 4
_START_MS = 1_780_000_000_000
_SENTENCE = "오늘 오후 3시 회의 자료를 공유드립니다. 확인 부탁드립니다. "


def _draft(number: int) -> Draft:
    side = "south" if number % 7 < 4 else "north"
    author = UserId(f"{side}-{1 + number // 3 % 4}")
    text = _SENTENCE * (1 + number % 5) + str(number)
    return Draft(author, DelegationId(side), f"seed-{number}", EntryKind.TEXT, text=text)


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


def _slow_down(page: Page) -> None:
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": _SLOWDOWN})


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
    return { times, rows };
}"""


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def test_ten_thousand_messages_scroll_smoothly_with_few_rows_in_the_document(
    sit_down: SitDown, long_channel: str
) -> None:
    screen = sit_down("south-1", long_channel)
    expect(screen.messages.last).to_contain_text(str(_MESSAGES - 1))
    _load_all(screen.page)
    _slow_down(screen.page)
    runs = [screen.page.evaluate(_SCROLL, {"frames": 90, "step": 700}) for _ in range(5)]
    p95 = [_percentile(run["times"][1:], 0.95) for run in runs]
    over = [sum(time > 50 for time in run["times"][1:]) for run in runs]
    worst = [max(run["times"][1:]) for run in runs]
    rows = max(run["rows"] for run in runs)
    print(f"\nscroll: p95 {p95} ms, worst {worst} ms, frames over 50 ms {over}, rows {rows}")
    assert rows <= 60
    # The limits are those of one page on an idle machine; beside other tests, one of the runs is left alone enough.
    assert min(p95) <= 50
    assert min(over) == 0
    assert median(p95) <= 100


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
