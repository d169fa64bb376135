"""The bus between nodes of one process. (ports.bus.Bus)

Hints arrive in a later turn of the loop, as they would from a network: no publisher may lean on being heard at once.
"""

import asyncio
from collections.abc import Callable

from liaison.core.identifiers import ChannelId
from liaison.ports.bus import AnyHint, BusListener, NodeHint


class MemoryBus:
    """What the nodes share; each takes an endpoint of its own with `node()`."""

    def __init__(self) -> None:
        self._endpoints: list[MemoryBusEndpoint] = []

    def node(self) -> "MemoryBusEndpoint":
        """Give a new node's endpoint, a ports.bus.Bus."""
        return MemoryBusEndpoint(self._endpoints)


class MemoryBusEndpoint:
    """One node's end of a MemoryBus; it is among `peers` while somebody listens."""

    def __init__(self, peers: "list[MemoryBusEndpoint]") -> None:
        self._peers = peers
        self._listener: BusListener | None = None
        self._channels: set[ChannelId] = set()

    @property
    def is_up(self) -> bool:
        return True

    def attach(self, listener: BusListener) -> Callable[[], None]:
        if self._listener is not None:
            raise RuntimeError("somebody listens at this node already")
        self._listener = listener
        self._peers.append(self)

        def detach() -> None:
            if self._listener is listener:
                self._listener = None
                self._peers.remove(self)
                self._channels.clear()

        return detach

    def publish(self, hint: AnyHint) -> None:
        loop = asyncio.get_running_loop()
        for peer in self._peers:
            if peer is not self:
                loop.call_soon(peer._deliver, hint)  # noqa: SLF001 - endpoints of one bus are one thing.

    async def subscribe(self, channel: ChannelId) -> None:
        self._channels.add(channel)

    def unsubscribe(self, channel: ChannelId) -> None:
        self._channels.discard(channel)

    def _deliver(self, hint: AnyHint) -> None:
        if self._listener is None:
            return
        if isinstance(hint, NodeHint) or hint.channel in self._channels:
            self._listener.on_hint(hint)
