"""Whatever happens on the way, a feed gives the channel's messages in order and each once."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.bot import Feed, MalformedFrame, Message, Position

FAULTS = st.sampled_from(["append", "deliver", "lose", "repeat", "disconnect", "read"])


def entry(seq: int, epoch: int = 1) -> Message:
    return Message("joint/general", epoch, seq, seq, "south-1", "south", f"k{seq}", "text", b"", f"m{seq}")


class FlakyServer:
    """A channel's log and one subscription to it, that loses and repeats what it sends when told to."""

    def __init__(self) -> None:
        self.head = 0
        self.read: list[int] = []
        self._sent = 0
        self.feed = Feed("joint/general", Position(1, 0), 0, on_wanting=self._subscribe, on_leaving=lambda _: None)
        self._subscribe(self.feed)

    def step(self, fault: str) -> None:
        match fault:
            case "append":
                self.head += 1
            case "deliver" if self._sent < self.head:
                self._sent += 1
                self._push(self._sent)
            case "lose" if self._sent < self.head:
                self._sent += 1
            case "repeat" if self._sent:
                self._push(self._sent)
            case "disconnect":
                self.feed.on_disconnected()
                self._subscribe(self.feed)
            case "read" if self.feed._waiting:
                self.read.append(asyncio.run(_next(self.feed)).seq)
            case _:
                pass

    def heal(self) -> None:
        self.step("disconnect")
        while self._sent < self.head:
            self.step("deliver")
        while self.feed._waiting:
            self.step("read")

    def _push(self, seq: int) -> None:
        try:
            if not self.feed.on_message(entry(seq)):
                self._subscribe(self.feed)
        except MalformedFrame:
            # The same gap twice: the client hangs up.
            self.step("disconnect")

    def _subscribe(self, feed: Feed) -> None:
        if feed.wants_subscription:
            self._sent = feed.subscription()["position"]["seq"]
            feed.on_subscribed(Position(1, self._sent))


async def _next(feed: Feed) -> Message:
    return await anext(feed)


@given(st.lists(FAULTS, max_size=80))
def test_every_message_is_read_once_and_in_order_whatever_gets_lost_or_repeated(faults: list[str]) -> None:
    server = FlakyServer()
    for fault in faults:
        server.step(fault)
    server.heal()
    assert server.read == list(range(1, server.head + 1))


@pytest.mark.parametrize("start", [Position(1, 3), Position(1, 5)])
def test_subscription_never_takes_a_feed_back_in_its_epoch(start: Position) -> None:
    feed = Feed("joint/general", Position(1, 5), 0, on_wanting=lambda _: None, on_leaving=lambda _: None)
    feed.on_subscribed(start)
    assert feed.on_message(entry(5))
    assert feed.on_message(entry(6))
    assert asyncio.run(_next(feed)).seq == 6


async def test_feed_closed_before_it_began_says_so_to_who_waits() -> None:
    feed = Feed("joint/general", None, 0, on_wanting=lambda _: None, on_leaving=lambda _: None)
    waiting = asyncio.ensure_future(feed.begun())
    await asyncio.sleep(0)
    feed.close()
    assert await waiting is None
    with pytest.raises(StopAsyncIteration):
        await anext(feed)


async def test_closing_wakes_a_reader_that_waits() -> None:
    feed = Feed("joint/general", None, 0, on_wanting=lambda _: None, on_leaving=lambda _: None)
    reading = asyncio.ensure_future(_all(feed))
    await asyncio.sleep(0)
    feed.close()
    assert await reading == []


async def _all(feed: Feed) -> list[Message]:
    return [message async for message in feed]
