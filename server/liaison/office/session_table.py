"""The live sessions of this node, for ops: a versioned snapshot and differences of it. (PROTOCOL.md §7.4)

It holds what SessionInfo holds: no address, no secret, no text.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from liaison.core.identifiers import SessionId
from liaison.core.permissions import Action, refusal
from liaison.office.watching import Watcher, Watchers
from liaison.protocol.frames import SessionInfo, SessionsDiff, SessionsReply

# A table that changes four times a second is as live as an eye can follow, also while thousands reconnect.
BATCH_MS: Final = 250
# Buffered bytes change all the time; looking at every socket more often would cost more than it tells.
REFRESH_MS: Final = 2_000


class SessionTable:
    """All calls are synchronous; timers run only while somebody watches."""

    def __init__(self) -> None:
        self._watchers = Watchers(lambda account: refusal(account, Action.WATCH_SESSIONS, None) is None)
        self._sessions: dict[SessionId, SessionInfo] = {}
        self._buffered_bytes: dict[SessionId, Callable[[], int]] = {}
        self._version = 0
        # What the watchers know; what differs from it is found among the touched.
        self._told: dict[SessionId, SessionInfo] = {}
        self._touched: set[SessionId] = set()
        self._window: asyncio.TimerHandle | None = None
        self._refresh: asyncio.TimerHandle | None = None

    def opened(self, info: SessionInfo, buffered_bytes: Callable[[], int]) -> None:
        """Add a session; `buffered_bytes` tells how much waits in its socket, whatever `info` says of that."""
        session = SessionId(info.session)
        self._buffered_bytes[session] = buffered_bytes
        self._sessions[session] = info
        self._touch(session)

    def changed(self, info: SessionInfo) -> None:
        """Put newer facts in the place of a session's last ones; a no-op for one that isn't open."""
        session = SessionId(info.session)
        if session in self._sessions:
            self._sessions[session] = info
            self._touch(session)

    def closed(self, session: SessionId) -> None:
        """Take a session out; a no-op for one that isn't open."""
        if self._sessions.pop(session, None) is not None:
            del self._buffered_bytes[session]
            self._touch(session)

    def watch(self, watcher: Watcher) -> None:
        """Send differences that follow on `reply` to `watcher` from now on; idempotent."""
        self._watchers.add(watcher)
        if self._refresh is None:
            self._refresh_later()

    def unwatch(self, watcher: Watcher) -> None:
        """Undo `watch`; idempotent."""
        self._watchers.discard(watcher)
        self._rest_if_unwatched()

    def reply(self, command_id: int) -> SessionsReply:
        """Give the table as it is now, sorted by session; differences that watchers get go on from its version."""
        self._measure()
        self._flush()
        return SessionsReply(
            id=command_id,
            version=self._version,
            sessions=[self._told[session] for session in sorted(self._told)],
        )

    def _touch(self, session: SessionId) -> None:
        self._touched.add(session)
        if self._window is None and len(self._watchers):
            self._window = asyncio.get_running_loop().call_later(BATCH_MS / 1000, self._flush)

    def _flush(self) -> None:
        if self._window is not None:
            self._window.cancel()
            self._window = None
        opened, closed = [], []
        for session in sorted(self._touched):
            info = self._sessions.get(session)
            if info is None:
                if self._told.pop(session, None) is not None:
                    closed.append(str(session))
            elif self._told.get(session) != info:
                self._told[session] = info
                opened.append(info)
        self._touched.clear()
        if opened or closed:
            self._version += 1
            self._watchers.push(SessionsDiff(self._version - 1, self._version, opened, closed))
            self._rest_if_unwatched()

    def _refresh_later(self) -> None:
        self._refresh = asyncio.get_running_loop().call_later(REFRESH_MS / 1000, self._refresh_now)

    def _refresh_now(self) -> None:
        self._refresh_later()
        self._measure()
        self._flush()

    def _measure(self) -> None:
        for session, info in self._sessions.items():
            buffered = self._buffered_bytes[session]()
            if buffered != info.buffered_bytes:
                self._sessions[session] = replace(info, buffered_bytes=buffered)
                self._touched.add(session)

    def _rest_if_unwatched(self) -> None:
        if len(self._watchers):
            return
        for timer in (self._window, self._refresh):
            if timer is not None:
                timer.cancel()
        self._window = self._refresh = None
