"""The live sessions of this node, for ops: a versioned snapshot and differences of it. (PROTOCOL.md §6.2)

It tells what SessionInfo holds and nothing else: no address, no secret, no text.
"""

import asyncio
from collections import Counter
from typing import Final, Protocol

from liaison.core.identifiers import DelegationId, Millis, SessionId
from liaison.core.permissions import Action, refusal
from liaison.core.rights import Account
from liaison.office.watching import Watcher, Watchers
from liaison.protocol.frames import SessionInfo, SessionsDiff, SessionsReply

# A table that changes four times a second is as live as an eye can follow, also while thousands reconnect.
BATCH_MS: Final = 250
# Buffered bytes change all the time; looking at every socket more often would cost more than it tells.
REFRESH_MS: Final = 2_000


class LivePeer(Protocol):
    """Where a session comes from, as far as ops may know."""

    @property
    def address_class(self) -> str: ...

    @property
    def transport(self) -> str: ...


class LiveConnection(Protocol):
    """What the table asks of a connection."""

    def buffered_bytes(self) -> int:
        """How much waits to be written."""
        ...


class LiveSession(Protocol):
    """What the table shows of a session; read anew each time it is told that something changed."""

    @property
    def id(self) -> SessionId: ...

    @property
    def account(self) -> Account: ...

    @property
    def client(self) -> str: ...

    @property
    def device(self) -> str: ...

    @property
    def peer(self) -> LivePeer: ...

    @property
    def connection(self) -> LiveConnection: ...

    @property
    def since_ms(self) -> Millis: ...

    @property
    def subscriptions(self) -> int: ...

    @property
    def lag_messages(self) -> int: ...


class SessionTable:
    """All but `run` is synchronous; nothing is looked at by itself unless somebody watches."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._watchers = Watchers(lambda account: refusal(account, Action.WATCH_SESSIONS, None) is None)
        self._is_watched = asyncio.Event()
        # How many there are of each side (ops belong to none), so that to know it costs no look at each.
        self.by_side: Counter[DelegationId] = Counter()
        self._sessions: dict[SessionId, LiveSession] = {}
        # What the watchers know; what differs from it is found among the touched.
        self._told: dict[SessionId, SessionInfo] = {}
        self._touched: set[SessionId] = set()
        self._version = 0
        self._window: asyncio.TimerHandle | None = None

    def opened(self, session: LiveSession) -> None:
        """Add a session."""
        self._sessions[session.id] = session
        self.by_side[session.account.delegation] += 1
        self._touch(session.id)

    def changed(self, session: LiveSession) -> None:
        """Look at a session again; a no-op for one that isn't open."""
        if session.id in self._sessions:
            self._touch(session.id)

    def closed(self, session: SessionId) -> None:
        """Take a session out; a no-op for one that isn't open."""
        gone = self._sessions.pop(session, None)
        if gone is not None:
            self.by_side[gone.account.delegation] -= 1
            self._touch(session)

    def buffered_bytes(self) -> int:
        """How much waits to be written on all of them; looks at each."""
        return sum(session.connection.buffered_bytes() for session in self._sessions.values())

    def watch(self, watcher: Watcher) -> None:
        """Send differences that follow on `reply` to `watcher` from now on; idempotent."""
        self._watchers.add(watcher)
        self._is_watched.set()

    def unwatch(self, watcher: Watcher) -> None:
        """Undo `watch`; idempotent."""
        self._watchers.discard(watcher)
        self._note_whether_watched()

    def reply(self, command_id: int) -> SessionsReply:
        """Give the table as it is now, sorted by session; differences that watchers get go on from its version."""
        self._touched.update(self._sessions, self._told)
        self._flush()
        return SessionsReply(
            id=command_id,
            version=self._version,
            sessions=[self._told[session] for session in sorted(self._told)],
        )

    async def run(self) -> None:
        """Keep the buffered bytes fresh while somebody watches, until cancelled."""
        try:
            while True:
                await self._is_watched.wait()
                await asyncio.sleep(REFRESH_MS / 1000)
                if self._is_watched.is_set():
                    self._touched.update(self._sessions)
                    self._flush()
        finally:
            self._close_window()

    def _touch(self, session: SessionId) -> None:
        if not self._is_watched.is_set():
            # Nothing piles up until somebody looks, and who comes first is told everything anyway.
            self._told.clear()
            return
        self._touched.add(session)
        if self._window is None:
            self._window = asyncio.get_running_loop().call_later(BATCH_MS / 1000, self._flush)

    def _flush(self) -> None:
        self._close_window()
        opened, closed = [], []
        for name in sorted(self._touched):
            session = self._sessions.get(name)
            if session is None:
                if self._told.pop(name, None) is not None:
                    closed.append(str(name))
                continue
            info = self._info(session)
            if self._told.get(name) != info:
                self._told[name] = info
                opened.append(info)
        self._touched.clear()
        if opened or closed:
            self._version += 1
            self._watchers.push(SessionsDiff(self._version - 1, self._version, opened, closed))
            self._note_whether_watched()

    def _info(self, session: LiveSession) -> SessionInfo:
        account = session.account
        return SessionInfo(
            session=session.id,
            user=account.user,
            delegation=account.delegation,
            role=account.role.value,
            client=session.client,
            device=session.device,
            node=self._node,
            transport=session.peer.transport,
            address_class=session.peer.address_class,
            since_ms=session.since_ms,
            subscriptions=session.subscriptions,
            buffered_bytes=session.connection.buffered_bytes(),
            lag_messages=session.lag_messages,
        )

    def _note_whether_watched(self) -> None:
        if not len(self._watchers):
            self._is_watched.clear()

    def _close_window(self) -> None:
        if self._window is not None:
            self._window.cancel()
            self._window = None
