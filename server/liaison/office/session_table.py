"""The live sessions of this node, and what of them ops are shown: all, or the most telling of too many.

It tells what SessionInfo holds and nothing else: no address, no secret, no text. `session_board.py` puts the tables of
all nodes together.
"""

from collections import Counter
from collections.abc import Callable, Collection
from heapq import nlargest
from typing import Final, Protocol

from liaison.core.identifiers import DelegationId, Millis, SessionId, UserId
from liaison.core.rights import Account
from liaison.protocol.frames import SessionInfo

# More than this waits only for a client that takes too little.
_HIGH_BYTES: Final = 64 * 1024


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
    """All is synchronous; nothing piles up and no socket is looked at unless somebody follows."""

    def __init__(self, node: str) -> None:
        self.node: Final = node
        # How many there are of each side (ops belong to none), so that to know it costs no look at each.
        self.by_side: Counter[DelegationId] = Counter()
        self._sessions: dict[SessionId, LiveSession] = {}
        self._on_touch: Callable[[], None] | None = None
        # What was told; what differs from it is found among the touched.
        self._told: dict[SessionId, SessionInfo] = {}
        self._touched: set[SessionId] = set()
        # Which are shown while there are too many for all; None is all of them.
        self._chosen: frozenset[SessionId] | None = None

    def __len__(self) -> int:
        return len(self._sessions)

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

    # --- what is shown --------------------------------------------------------------------------------------------

    def follow(self, on_touch: Callable[[], None]) -> None:
        """Keep differences from now on, and say by `on_touch` when there may be one; all is a difference at first."""
        if self._on_touch is None:
            self._touched.update(self._sessions)
        self._on_touch = on_touch

    def unfollow(self) -> None:
        """Undo `follow`, and forget what was told; idempotent."""
        self._on_touch = None
        self._told.clear()
        self._touched.clear()
        self._chosen = None

    def choose(self, limit: int, users: Collection[UserId]) -> None:
        """Look at every session anew, and show at most `limit`: who takes too little, then who came last.

        Sessions of `users` are shown besides, and whoever is looked for is among them.
        """
        self._touched.update(self._told)
        if len(self._sessions) <= limit:
            self._chosen = None
            self._touched.update(self._sessions)
            return
        found = nlargest(limit, self._sessions.values(), key=_how_telling)
        wanted = frozenset(users)
        found += [session for session in self._sessions.values() if session.account.user in wanted]
        self._chosen = frozenset(session.id for session in found)
        self._touched.update(self._chosen)

    def differences(self, limit: int, users: Collection[UserId]) -> tuple[list[SessionInfo], list[str]]:
        """Give the sessions that came or changed, and the names of those that went, since the last call."""
        if self._chosen is None and len(self._sessions) > limit:
            self.choose(limit, users)
        opened, closed = [], []
        for name in sorted(self._touched):
            session = self._sessions.get(name)
            if session is None or (self._chosen is not None and name not in self._chosen):
                if self._told.pop(name, None) is not None:
                    closed.append(str(name))
                continue
            info = self._info(session)
            if self._told.get(name) != info:
                self._told[name] = info
                opened.append(info)
        self._touched.clear()
        return opened, closed

    def told(self) -> list[SessionInfo]:
        """Give what all differences together have come to."""
        return list(self._told.values())

    def _touch(self, session: SessionId) -> None:
        if self._on_touch is not None:
            self._touched.add(session)
            self._on_touch()

    def _info(self, session: LiveSession) -> SessionInfo:
        account = session.account
        return SessionInfo(
            session=session.id,
            user=account.user,
            delegation=account.delegation,
            role=account.role.value,
            client=session.client,
            device=session.device,
            node=self.node,
            transport=session.peer.transport,
            address_class=session.peer.address_class,
            since_ms=session.since_ms,
            subscriptions=session.subscriptions,
            buffered_bytes=session.connection.buffered_bytes(),
            lag_messages=session.lag_messages,
        )


def _how_telling(session: LiveSession) -> tuple[bool, int, Millis]:
    lag, buffered = session.lag_messages, session.connection.buffered_bytes()
    return (lag > 0 or buffered > _HIGH_BYTES, lag, session.since_ms)
