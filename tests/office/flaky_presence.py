"""A presence store shared by several nodes, each over a link that can fail; the content can be lost as well."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from liaison.adapters.memory_presence import MemoryPresence
from liaison.ports.clock import Clock
from liaison.ports.presence import (
    DeviceWrite,
    PresenceChange,
    PresenceState,
    PresenceUnavailableError,
)


class SharedPresence:
    """The store behind the links."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lives = 0
        self.links: list[FlakyPresence] = []
        self.store = self._begin()

    def link(self) -> "FlakyPresence":
        made = FlakyPresence(self)
        self.links.append(made)
        return made

    def flush(self) -> None:
        """Lose everything, as a restart without a dump does; those who are connected notice the restart."""
        self.store = self._begin()
        for link in self.links:
            if not link.is_down:
                link.doubt()

    def _begin(self) -> MemoryPresence:
        self._lives += 1
        store = MemoryPresence(self._clock, epoch=f"life {self._lives}")
        store.listen(self._spread, lambda: None)
        return store

    def _spread(self, change: PresenceChange) -> None:
        for link in self.links:
            link.hear(change)


@dataclass(frozen=True, slots=True)
class _Listener:
    on_change: Callable[[PresenceChange], None]
    on_doubt: Callable[[], None]


class FlakyPresence:
    """ports.presence.PresenceStore over a link that one node has to the shared store."""

    def __init__(self, shared: SharedPresence) -> None:
        self._shared = shared
        self._listeners: list[_Listener] = []
        self.is_down = False
        # Changes that get lost on the way without anybody noticing.
        self.is_deaf = False
        self.incarnations: list[str] = []

    def heal(self) -> None:
        self.is_down = False
        self.doubt()

    def hear(self, change: PresenceChange) -> None:
        if not (self.is_down or self.is_deaf):
            for listener in list(self._listeners):
                listener.on_change(change)

    def doubt(self) -> None:
        for listener in list(self._listeners):
            listener.on_doubt()

    async def register(self, incarnation: str) -> None:
        await self._reachable().register(incarnation)
        self.incarnations.append(incarnation)

    async def renew(self, incarnation: str) -> None:
        await self._reachable().renew(incarnation)

    async def write(self, incarnation: str, writes: Sequence[DeviceWrite]) -> None:
        await self._reachable().write(incarnation, writes)

    async def unregister(self, incarnation: str, *, grace_ms: int) -> None:
        await self._reachable().unregister(incarnation, grace_ms=grace_ms)

    async def reap(self) -> int:
        return await self._reachable().reap()

    async def snapshot(self) -> PresenceState:
        return await self._reachable().snapshot()

    def listen(self, on_change: Callable[[PresenceChange], None], on_doubt: Callable[[], None]) -> Callable[[], None]:
        listener = _Listener(on_change, on_doubt)
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    def _reachable(self) -> MemoryPresence:
        if self.is_down:
            raise PresenceUnavailableError("the link is down")
        return self._shared.store
