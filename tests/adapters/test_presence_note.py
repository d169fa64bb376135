"""Who was there when the server stopped is there when it starts, unconfirmed, and only then."""

import stat
from pathlib import Path

import pytest

from liaison.adapters.memory_presence import MemoryPresence
from liaison.adapters.presence_note import MAX_AGE_MS, leave_note, take_note
from liaison.core.identifiers import DelegationId, Millis, SessionId, UserId
from liaison.core.presence import GRACE_MS, Cause, Connectivity, Device
from liaison.core.rights import Role
from liaison.ports.presence import FencedError, PresenceChange, Put
from tests.hand_clock import HandClock

KIM = Device(SessionId("s1"), UserId("kim"), DelegationId("south"), Role.OFFICIAL, "idle", Millis(7))
HONG = Device(SessionId("s2"), UserId("hong"), DelegationId("north"), Role.HEAD, "active", Millis(8))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "presence"


def test_who_was_there_is_told_once_and_unconfirmed(file: Path) -> None:
    leave_note(file, [KIM, HONG], Millis(1_000))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = take_note(file, Millis(2_000))
    assert [(device.user, device.availability, device.confirmed) for device in told] == [
        ("kim", "idle", False),
        ("hong", "active", False),
    ]
    assert take_note(file, Millis(2_000)) == ()


@pytest.mark.parametrize("now_ms", [999, 1_001 + MAX_AGE_MS])
def test_a_note_of_another_day_or_of_the_future_is_worth_nothing(file: Path, now_ms: int) -> None:
    leave_note(file, [KIM], Millis(1_000))
    assert take_note(file, Millis(now_ms)) == ()


@pytest.mark.parametrize("content", [b"", b"{}", b'{"written_ms": 1, "devices": [{}]}', b"\xff"])
def test_what_is_no_note_is_removed_and_nobody_was_there(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert take_note(file, Millis(1)) == ()
    assert not file.exists()


def test_a_folder_that_is_gone_costs_the_note_and_nothing_else(tmp_path: Path) -> None:
    leave_note(tmp_path / "gone" / "presence", [KIM], Millis(1))
    assert not (tmp_path / "gone").exists()


async def test_those_inherited_are_unconfirmed_until_they_are_back_or_their_grace_is_over() -> None:
    clock = HandClock()
    changes: list[PresenceChange] = []
    store = MemoryPresence(clock, epoch="second", inherited=[KIM, HONG])
    store.listen(changes.append, lambda: None)
    assert {user.connectivity for user in (await store.snapshot()).users.values()} == {Connectivity.UNCONFIRMED}
    with pytest.raises(FencedError):
        await store.write("-", [])
    await store.register("n1")
    await store.write("n1", [Put(KIM, Cause.CONNECTED)])
    clock.advance(GRACE_MS // 2)
    await store.renew("n1")
    assert await store.reap() == 0
    clock.advance(GRACE_MS // 2)
    assert await store.reap() == 2
    [kim] = (await store.snapshot()).users.values()
    assert (kim.user, kim.connectivity) == ("kim", Connectivity.ONLINE)
    [gone] = [user for change in changes for user in change.users if not user.devices]
    assert (gone.user, gone.cause) == ("hong", Cause.RESTART)


async def test_a_store_tells_of_all_its_devices_for_its_next_life() -> None:
    store = MemoryPresence(HandClock(), epoch="first", inherited=[HONG])
    await store.register("n1")
    await store.write("n1", [Put(KIM, Cause.CONNECTED)])
    assert {(device.user, device.confirmed) for device in store.devices()} == {("kim", True), ("hong", False)}
