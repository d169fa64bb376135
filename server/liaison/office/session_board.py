"""The live sessions of the whole office, for ops: a versioned snapshot and differences of it. (PROTOCOL.md §6.2)

While ops watch somewhere, the nodes tell each other what changes in their tables; else nobody tells anything. What is
told is a version that leads on from the one before, so that a lost hint shows and everything is told anew. A node that
should tell and doesn't is named as silent, with what it said last.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from liaison.core.identifiers import Millis, UserId
from liaison.core.permissions import Action, refusal
from liaison.office.session_table import SessionTable
from liaison.office.watching import Watcher, Watchers
from liaison.ports.bus import MAX_SESSIONS, Bus, SessionsHint, SessionsWantedHint
from liaison.ports.clock import Clock
from liaison.protocol.frames import NodeSessions, SessionInfo, SessionsDiff, SessionsReply

# A table that changes four times a second is as live as an eye can follow, also while thousands reconnect.
BATCH_MS: Final = 250
# Buffered bytes change all the time; looking at every socket more often would cost more than it tells. It is also how
# often the nodes say that they are there.
REFRESH_MS: Final = 2_000
# About 200 KB: what ops can look through at all, shared among the nodes. Who is looked for by name is shown besides.
MAX_SHOWN: Final = 1_000
MAX_LOOKED_FOR: Final = 16
# Three refreshes, of which two may be lost.
SILENT_MS: Final = 3 * REFRESH_MS + 1_000
WANTED_MS: Final = 5 * REFRESH_MS
GONE_MS: Final = 60_000
# For who asks once, by HTTP: afterwards nobody is told anything any more.
_ASKED_ONCE_MS: Final = 5_000
# Far more than any office has: names that come from outside must not fill the memory.
_MAX_NODES: Final = 64
_MAX_OF_OTHER: Final = 2 * MAX_SHOWN


@dataclass(slots=True)
class _OtherNode:
    """What another node told of its table. Moments are monotonic, but for `as_of_ms`."""

    seen_ms: Millis
    # Since when it should tell.
    asked_ms: Millis
    as_of_ms: Millis
    told_ms: Millis | None = None
    # None is out of step.
    version: int | None = None
    total: int = 0
    is_leaving: bool = False
    sessions: set[str] = field(default_factory=set)


class SessionBoard:
    """All but `run` is synchronous; while nobody watches anywhere, nothing is kept and nothing is told."""

    def __init__(self, table: SessionTable, clock: Clock, bus: Bus) -> None:
        self._table = table
        self._clock = clock
        self._bus = bus
        self._watchers = Watchers(lambda account: refusal(account, Action.WATCH_SESSIONS, None) is None)
        self._is_active = asyncio.Event()
        # A node told its sessions, or may have become silent meanwhile; each who waits looks for itself.
        self._heard = asyncio.Event()
        self._asked_until_ms = -1
        self._looked_for: dict[UserId, None] = {}
        # What the watchers know, of all nodes; and what has changed since, None for gone.
        self._told: dict[str, SessionInfo] = {}
        self._changes: dict[str, SessionInfo | None] = {}
        self._told_nodes: list[NodeSessions] = []
        self._version = 0
        self._others: dict[str, _OtherNode] = {}
        # Who watches elsewhere, and until when that holds.
        self._wanted: dict[str, tuple[int, SessionsWantedHint]] = {}
        # Of the own table, towards the others. A node that is started anew must never go on where it stood before.
        self._own_version = int(clock.wall_ms())
        self._tells_all = False
        self._is_leaving = False
        self._window: asyncio.TimerHandle | None = None

    # --- who watches here -----------------------------------------------------------------------------------------

    def watch(self, watcher: Watcher) -> None:
        """Send differences that follow on `reply` to `watcher` from now on; idempotent."""
        self._watchers.add(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """Undo `watch`; idempotent."""
        before = len(self._watchers)
        self._watchers.discard(watcher)
        if before and not len(self._watchers):
            self._asked_until_ms = -1
            self._rest_unless_needed()

    def reply(self, command_id: int, *, user: str = "") -> SessionsReply:
        """Give the table as it is known now, sorted by session; differences that watchers get go on from its version.

        Other nodes are asked by it, and tell a moment later; those of `user` are looked for from now on.
        """
        now_ms = self._clock.monotonic_ms()
        was_watched = self._is_watched
        self._asked_until_ms = max(self._asked_until_ms, now_ms + _ASKED_ONCE_MS)
        is_new = bool(user) and UserId(user) not in self._looked_for
        if user:
            self._look_for(UserId(user))
        if not was_watched:
            for other in self._others.values():
                other.asked_ms, other.as_of_ms = now_ms, self._clock.wall_ms()
            # What the others were told already is no difference any more, and nobody here knows it.
            self._changes.update((info.session, info) for info in self._table.told())
        self._wake()
        if is_new or not was_watched:
            self._ask_others()
        self._table.choose(self._limit, self._users)
        self._flush()
        return SessionsReply(
            id=command_id,
            version=self._version,
            sessions=[self._told[session] for session in sorted(self._told)],
            nodes=self._told_nodes,
        )

    async def settled(self) -> None:
        """Wait until each node has told its sessions, but no longer than a silent one deserves."""
        try:
            async with asyncio.timeout(SILENT_MS / 1000):
                while any(node.state == "asked" for node in self._nodes()):
                    self._heard.clear()
                    await self._heard.wait()
        except TimeoutError:
            return

    def find(self, session: str) -> SessionInfo | None:
        """Give a session as it was told last; None for one that isn't shown."""
        return self._told.get(session)

    async def run(self) -> None:
        """Keep what is shown fresh, and the other nodes in step, until cancelled."""
        try:
            while True:
                await self._is_active.wait()
                await asyncio.sleep(REFRESH_MS / 1000)
                self._refresh()
        finally:
            self._close_window()

    def leave(self) -> None:
        """This node is about to end: its silence will mean nothing. Idempotent."""
        self._is_leaving = True

    # --- what other nodes tell ------------------------------------------------------------------------------------

    def noticed(self, node: str) -> None:
        """Another node gave a sign of life, so that its sessions are missed if it doesn't tell them."""
        other = self._other(node)
        if other is not None:
            other.seen_ms = self._clock.monotonic_ms()

    def on_wanted(self, hint: SessionsWantedHint) -> None:
        """Ops watch at another node."""
        if hint.node == self._table.node or (len(self._wanted) >= _MAX_NODES and hint.node not in self._wanted):
            return
        if not self._wanted:
            # What changed while nobody was told is in no difference, so that nobody may be in step now.
            self._own_version += 1
        self._wanted[hint.node] = (self._clock.monotonic_ms() + WANTED_MS, hint)
        self._tells_all |= hint.is_anew
        self._wake()
        self._schedule()

    def on_sessions(self, hint: SessionsHint) -> None:
        """Another node told of its table: perhaps twice, late, or after one that was lost."""
        other = self._other(hint.node)
        if other is None:
            return
        other.seen_ms = self._clock.monotonic_ms()
        if not self._is_watched:
            return
        if hint.from_version != other.version:
            if not hint.is_whole:
                is_news = other.version is not None
                other.version = None
                if is_news:
                    self._ask_others()
                return
            for session in other.sessions:
                self._changes[session] = None
            other.sessions.clear()
        other.version, other.total, other.is_leaving = hint.version, hint.total, hint.is_leaving
        other.told_ms, other.as_of_ms = other.seen_ms, self._clock.wall_ms()
        self._heard.set()
        for name in hint.closed:
            if name in other.sessions:
                other.sessions.discard(name)
                self._changes[name] = None
        for info in hint.opened:
            # A node speaks for itself alone.
            if info.node == hint.node and len(other.sessions) < _MAX_OF_OTHER:
                other.sessions.add(info.session)
                self._changes[info.session] = info
        self._schedule()

    def _other(self, node: str) -> _OtherNode | None:
        if node == self._table.node:
            return None
        other = self._others.get(node)
        if other is None and len(self._others) < _MAX_NODES:
            now_ms = self._clock.monotonic_ms()
            other = self._others[node] = _OtherNode(now_ms, now_ms, self._clock.wall_ms())
        return other

    # --- what is told ---------------------------------------------------------------------------------------------

    @property
    def _is_watched(self) -> bool:
        return len(self._watchers) > 0 or self._clock.monotonic_ms() < self._asked_until_ms

    @property
    def _limit(self) -> int:
        """How many sessions this node shows at most: the least that anybody who watches asked for."""
        return min([MAX_SHOWN // (1 + len(self._others)), *(hint.limit for _, hint in self._wanted.values())])

    @property
    def _users(self) -> set[UserId]:
        return {*self._looked_for, *(UserId(user) for _, hint in self._wanted.values() for user in hint.users)}

    def _look_for(self, user: UserId) -> None:
        self._looked_for.pop(user, None)
        self._looked_for[user] = None
        if len(self._looked_for) > MAX_LOOKED_FOR:
            del self._looked_for[next(iter(self._looked_for))]

    def _ask_others(self) -> None:
        self._bus.publish(
            SessionsWantedHint(
                self._table.node,
                MAX_SHOWN // (1 + len(self._others)),
                tuple(self._looked_for),
                is_anew=any(other.version is None for other in self._others.values()) or not self._others,
            )
        )

    def _refresh(self) -> None:
        now_ms = self._clock.monotonic_ms()
        for node in [node for node, (until_ms, _) in self._wanted.items() if until_ms <= now_ms]:
            del self._wanted[node]
        for node, other in list(self._others.items()):
            is_over = other.is_leaving and other.told_ms is not None and now_ms - other.told_ms > SILENT_MS
            if is_over or now_ms - other.seen_ms > GONE_MS:
                self._changes.update(dict.fromkeys(other.sessions))
                del self._others[node]
        self._heard.set()
        if self._is_watched:
            self._ask_others()
        if not self._rest_unless_needed():
            self._table.choose(self._limit, self._users)
            self._flush(is_sign_of_life=True)

    def _wake(self) -> None:
        self._is_active.set()
        self._table.follow(self._schedule)

    def _rest_unless_needed(self) -> bool:
        if not self._is_watched:
            self._told.clear()
            self._changes.clear()
            self._told_nodes = []
            self._looked_for.clear()
            for other in self._others.values():
                other.version, other.told_ms = None, None
                other.sessions.clear()
            if not self._wanted:
                self._is_active.clear()
                self._table.unfollow()
                self._close_window()
        return not self._is_active.is_set()

    def _schedule(self) -> None:
        if self._window is None:
            self._window = asyncio.get_running_loop().call_later(BATCH_MS / 1000, self._flush)

    def _flush(self, *, is_sign_of_life: bool = False) -> None:
        self._close_window()
        opened, closed = self._table.differences(self._limit, self._users)
        if self._wanted:
            self._tell_others(opened, closed, is_sign_of_life=is_sign_of_life)
        if self._is_watched:
            self._changes.update(dict.fromkeys(closed))
            self._changes.update((info.session, info) for info in opened)
            self._tell_watchers()

    def _tell_others(self, opened: list[SessionInfo], closed: list[str], *, is_sign_of_life: bool) -> None:
        is_whole, self._tells_all = self._tells_all, False
        is_news = is_whole or bool(opened or closed)
        if not (is_news or is_sign_of_life):
            return
        told = self._table.told() if is_whole else opened
        for first in range(0, max(len(told), 1), MAX_SESSIONS):
            is_first = first == 0
            version = self._own_version + is_news
            hint = SessionsHint(
                self._table.node,
                self._own_version,
                version,
                len(self._table),
                tuple(told[first : first + MAX_SESSIONS]),
                tuple(closed) if is_first else (),
                is_whole=is_whole and is_first,
                is_leaving=self._is_leaving,
            )
            self._own_version = version
            self._bus.publish(hint)

    def _tell_watchers(self) -> None:
        opened, closed = [], []
        for name, info in sorted(self._changes.items()):
            if info is None:
                if self._told.pop(name, None) is not None:
                    closed.append(name)
            elif self._told.get(name) != info:
                self._told[name] = info
                opened.append(info)
        self._changes.clear()
        nodes = self._nodes()
        if opened or closed or nodes != self._told_nodes:
            changed_nodes = nodes if nodes != self._told_nodes else []
            self._told_nodes = nodes
            self._version += 1
            self._watchers.push(SessionsDiff(self._version - 1, self._version, opened, closed, changed_nodes))

    def _nodes(self) -> list[NodeSessions]:
        now_ms = self._clock.monotonic_ms()
        nodes = [NodeSessions(self._table.node, len(self._table), "current")]
        for name, other in self._others.items():
            last_ms = other.asked_ms if other.told_ms is None else other.told_ms
            if now_ms - last_ms > SILENT_MS:
                nodes.append(NodeSessions(name, other.total, "silent", other.as_of_ms))
            else:
                nodes.append(NodeSessions(name, other.total, "asked" if other.version is None else "current"))
        return sorted(nodes, key=lambda node: node.node)

    def _close_window(self) -> None:
        if self._window is not None:
            self._window.cancel()
            self._window = None
