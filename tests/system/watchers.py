"""Clients that watch each other's presence while they talk, and note whoever is shown offline."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any, Final

from tests.simulation.history import History
from tests.system.socket_clients import SocketClient

MESSAGES_PER_S: Final = 500
_BEAT_S: Final = 0.02


class Watcher(SocketClient):
    """A client that watches presence, and notes whenever somebody whom it has seen there is not."""

    def __init__(self, user: str, token: str, url: str, history: History) -> None:
        super().__init__(user, token, url, history)
        self.present: set[str] = set()
        self.snapshots = 0
        self.offline: list[str] = []

    def _take(self, frame: dict[str, Any]) -> None:
        super()._take(frame)
        match frame["type"]:
            case "reply" if "from_seq" in frame:
                self._command({"type": "presence", "watch": True})
            case "reply" | "presence_snapshot" if "users" in frame:
                self.snapshots += 1
                here = {user["user"] for user in frame["users"]}
                if not frame.get("stale_since_ms"):
                    self.offline += sorted(self.present - here)
                self.present |= here
            case "presence_diff":
                self.present |= {user["user"] for user in frame.get("joins", [])}
                self.offline += [user["user"] for user in frame.get("leaves", [])]


@asynccontextmanager
async def talking(clients: Sequence[SocketClient]) -> AsyncIterator[None]:
    """Let clients write in turn, MESSAGES_PER_S together, whether or not they are connected."""

    async def talk() -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for said, client in enumerate(cycle(clients)):
            due_s = began_s + said / MESSAGES_PER_S
            if due_s - loop.time() > _BEAT_S / 2:
                await asyncio.sleep(_BEAT_S)
            client.say()

    async with asyncio.TaskGroup() as tasks:
        talk_task = tasks.create_task(talk())
        try:
            yield
        finally:
            talk_task.cancel()


def all_level(clients: Sequence[SocketClient]) -> Callable[[], bool]:
    """Claim that every outbox is empty and every reader at the head."""
    return lambda: not any(client.outbox for client in clients) and len({client.cursor for client in clients}) == 1
