"""Somebody at a node's end of the bus who keeps what is heard and lets a test wait for it."""

import asyncio
from collections.abc import Callable

from liaison.core.entries import Draft, Entry, EntryKind
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.ports.bus import AnyHint, Bus, EntriesHint, TypingHint

GENERAL = ChannelId("joint/general")
KIM, SOUTH = UserId("kim"), DelegationId("south")


class Listener:
    """ports.bus.BusListener."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.hints: list[AnyHint] = []
        self.doubts = 0
        self._news = asyncio.Event()
        self.detach = bus.attach(self)

    def on_hint(self, hint: AnyHint) -> None:
        self.hints.append(hint)
        self._news.set()

    def on_doubt(self) -> None:
        self.doubts += 1
        self._news.set()

    async def until(self, is_so: Callable[[], bool], timeout_s: float = 5) -> None:
        """Wait for news that make it so."""
        async with asyncio.timeout(timeout_s):
            while not is_so():
                self._news.clear()
                await self._news.wait()

    async def heard(self, hint: AnyHint, timeout_s: float = 5) -> None:
        await self.until(lambda: hint in self.hints, timeout_s)


async def once(is_so: Callable[[], bool], timeout_s: float) -> float:
    """Wait for what tells nobody that it is so; give how long it took, in seconds."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    async with asyncio.timeout(timeout_s):
        while not is_so():
            await asyncio.sleep(0.005)
    return loop.time() - began_s


def typing(channel: ChannelId = GENERAL, user: UserId = KIM) -> TypingHint:
    return TypingHint(channel, user, SOUTH)


def batch(first: int, size: int = 1, text: str = "안녕하십니까") -> EntriesHint:
    entries = (
        Entry(GENERAL, seq, Millis(5), bytes(32), Draft(KIM, SOUTH, f"k{seq}", EntryKind.TEXT, text))
        for seq in range(first, first + size)
    )
    return EntriesHint(GENERAL, 3, tuple(entries))
