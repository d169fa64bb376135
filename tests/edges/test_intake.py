"""Whose messages a turn of the event loop reads, under a clock that each message moves."""

import asyncio

from liaison.edges.intake import Intake


class Waiting:
    """intake.Unread with so many messages, each of which takes 0.25 ms."""

    def __init__(self, office: "Desk", side: str, user: str, messages: int) -> None:
        self._desk, self.party, self._left = office, (side, user), messages

    def take_next(self) -> bool:
        self._desk.read.append(self.party[1])
        self._desk.now_s += 0.00025
        self._left -= 1
        return self._left > 0


class Desk:
    """An intake, and who was read in which order."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.read: list[str] = []
        self.intake = Intake(lambda: self.now_s)

    def wait(self, user: str, messages: int) -> None:
        self.intake.wait(Waiting(self, user[:5], user, messages))


async def test_a_turn_reads_for_a_millisecond_and_the_next_ones_go_on() -> None:
    desk = Desk()
    desk.wait("south-1", 10)
    counts = []
    for _ in range(4):
        await asyncio.sleep(0)
        counts.append(len(desk.read))
    assert counts == [4, 8, 10, 10]


async def test_reading_has_its_share_of_turns_that_are_long_for_other_reasons() -> None:
    desk = Desk()
    desk.wait("south-1", 100)
    desk.now_s += 0.001
    await asyncio.sleep(0)
    assert len(desk.read) == 4
    desk.now_s += 0.031
    await asyncio.sleep(0)
    # An eighth of 32 ms, in messages of 0.25 ms.
    assert len(desk.read) == 4 + 16


async def test_whoever_comes_beside_a_flood_of_the_other_side_is_read_next() -> None:
    desk = Desk()
    for number in range(9):
        desk.wait(f"south-{number}", 100)
    await asyncio.sleep(0)
    desk.wait("north-1", 2)
    await asyncio.sleep(0)
    assert desk.read == ["south-0", "south-1", "south-2", "south-3", "south-4", "north-1", "south-5", "north-1"]


async def test_within_a_side_each_user_has_a_turn_whatever_the_number_of_connections() -> None:
    desk = Desk()
    for _ in range(5):
        desk.wait("south-1", 100)
    desk.wait("south-2", 2)
    await asyncio.sleep(0)
    assert desk.read == ["south-1", "south-2", "south-1", "south-2"]


async def test_what_comes_alone_is_read_at_once_and_what_comes_in_a_full_turn_waits_behind_those_who_wait() -> None:
    desk = Desk()
    assert desk.intake.may_read()
    desk.now_s += 0.0009
    assert desk.intake.may_read()
    desk.now_s += 0.0002
    assert not desk.intake.may_read()
    await asyncio.sleep(0)
    assert desk.intake.may_read()
    desk.wait("south-1", 1)
    assert not desk.intake.may_read()
