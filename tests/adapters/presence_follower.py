"""A presence store with somebody who listens, and what tests let happen in it."""

import pytest

from liaison.adapters.redis_presence import RedisPresence
from liaison.core.identifiers import DelegationId, Millis, SessionId, UserId
from liaison.core.presence import MAX_USERS_PER_STEP, PRECEDENCE, Device
from liaison.core.rights import Role
from liaison.ports.presence import FencedError, PresenceChange, PresenceStore, Put
from tests.adapters.bus_listener import once


class Followed:
    """A store and what its listener heard."""

    def __init__(self, store: RedisPresence) -> None:
        self.store = store
        self.changes: list[PresenceChange] = []
        self.doubts = 0
        self.stop = store.listen(self.changes.append, self._doubt)

    def _doubt(self) -> None:
        self.doubts += 1


def device(session: str, user: str = "kim", availability: str = "active", *, confirmed: bool = True) -> Device:
    assert availability in PRECEDENCE
    known = next(state for state in PRECEDENCE if state == availability)
    side = DelegationId("north" if user.startswith("n") else "south")
    return Device(SessionId(session), UserId(user), side, Role.OFFICIAL, known, Millis(5), confirmed)


async def fill(store: PresenceStore, incarnation: str, users: int, first: int = 0) -> None:
    """Let so many users come, one device each."""
    await store.register(incarnation)
    writes = [Put(device(f"{incarnation}-s{n}", f"user{n}"), "connected") for n in range(first, first + users)]
    for start in range(0, users, MAX_USERS_PER_STEP):
        await store.write(incarnation, writes[start : start + MAX_USERS_PER_STEP])


async def assert_begins_anew(followed: Followed, epoch_before: str) -> None:
    """The store has forgotten everything, says so, and takes a node's devices again."""
    store = followed.store
    with pytest.raises(FencedError):
        await store.renew("a")
    with pytest.raises(FencedError):
        await store.write("a", [Put(device("s9"), "connected")])
    state = await store.snapshot()
    assert state.epoch != epoch_before
    assert (state.version, state.users) == (0, {})
    await store.register("a-again")
    await store.write("a-again", [Put(device("s1"), "resumed")])
    await once(lambda: bool(followed.changes) and followed.changes[-1].epoch == state.epoch, 2)
    assert followed.changes[-1].version == 1
    assert list((await store.snapshot()).users) == ["kim"]
