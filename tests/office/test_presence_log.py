import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from liaison.core.identifiers import DelegationId, Millis, SessionId, UserId
from liaison.core.presence import GRACE_MS, Cause, Device, UserDevices
from liaison.core.rights import Role
from liaison.office.presence_log import KEPT_EVENTS, KEPT_MS, PresenceEvents
from liaison.protocol.frames import PresenceEvent, PresenceLog
from tests.office.whole_office import WholeOffice, in_office
from tests.virtual_time import WALL_START_MS, World, run

AT_MS = WALL_START_MS


def user(name: str, *, confirmed: bool | None, cause: str, at_ms: int, availability: Any = "active") -> UserDevices:
    side = DelegationId(name.partition("-")[0])
    devices = (
        ()
        if confirmed is None
        else (Device(SessionId("s"), UserId(name), side, Role.OFFICIAL, availability, Millis(0), confirmed),)
    )
    return UserDevices(UserId(name), side, Role.OFFICIAL, devices, cause, Millis(at_ms))


class Story:
    """Somebody's states one after the other, as the feed would note them."""

    def __init__(self, world: World) -> None:
        self.clock = world.clock
        self.events = PresenceEvents("n1", world.clock)
        self._now: dict[str, UserDevices] = {}

    def tell(self, after: UserDevices) -> None:
        self.events.note(self._now.get(after.user), after)
        self._now[after.user] = after

    def toggle(self, name: str = "south-1") -> None:
        is_there = name in self._now and self._now[name].devices
        self.tell(user(name, confirmed=None if is_there else True, cause="closed", at_ms=self.clock.wall_ms()))

    def found(self, **query: Any) -> list[PresenceEvent]:
        return self.events.reply(PresenceLog(id=1, **query)).events


def told(body: Callable[[Story], Awaitable[None]]) -> None:
    async def scenario(world: World) -> None:
        await body(Story(world))

    run(1, scenario, limit_s=3 * 86_400)


def test_comings_waverings_and_goings_are_kept_with_cause_and_time_newest_first() -> None:
    async def body(story: Story) -> None:
        story.tell(user("south-1", confirmed=True, cause=Cause.CONNECTED, at_ms=AT_MS + 10))
        story.tell(user("south-1", confirmed=False, cause=Cause.NO_PONG, at_ms=AT_MS + 20))
        story.tell(user("south-1", confirmed=None, cause=Cause.NO_PONG, at_ms=AT_MS + 30))
        assert [(event.connectivity, event.cause, event.time_ms) for event in story.found()] == [
            ("offline", "no pong", AT_MS + 30),
            ("unconfirmed", "no pong", AT_MS + 20),
            ("online", "connected", AT_MS + 10),
        ]

    told(body)


def test_availability_is_no_event_and_neither_is_a_second_device() -> None:
    async def body(story: Story) -> None:
        story.tell(user("south-1", confirmed=True, cause=Cause.CONNECTED, at_ms=AT_MS + 10))
        story.tell(user("south-1", confirmed=True, cause=Cause.SAID, at_ms=AT_MS + 20, availability="away"))
        assert len(story.found()) == 1

    told(body)


def test_somebody_who_was_never_there_does_not_go() -> None:
    async def body(story: Story) -> None:
        story.tell(user("south-1", confirmed=None, cause=Cause.MISSED, at_ms=AT_MS + 10))
        assert story.found() == []

    told(body)


def test_one_user_is_found_among_all_and_before_a_moment() -> None:
    async def body(story: Story) -> None:
        for _ in range(4):
            story.toggle("south-1")
            story.toggle("north-1")
            await asyncio.sleep(60)
        found = story.found(user="north-1", before_ms=story.clock.wall_ms() - 90_000)
        assert [event.user for event in found] == ["north-1"] * 3
        assert [event.connectivity for event in found] == ["online", "offline", "online"]

    told(body)


def test_pages_go_on_by_number_and_lose_nothing_of_one_moment() -> None:
    async def body(story: Story) -> None:
        for number in range(7):
            story.toggle(f"south-{number}")
        numbers: list[int] = []
        before = None
        more = True
        while more:
            page = story.events.reply(PresenceLog(id=1, before=before, limit=3))
            numbers += [event.number for event in page.events]
            before, more = page.events[-1].number, page.more
        assert numbers == [KEPT_EVENTS + number for number in (7, 6, 5, 4, 3, 2, 1)]

    told(body)


def test_a_day_is_kept_and_since_when_is_said() -> None:
    async def body(story: Story) -> None:
        story.toggle()
        assert story.events.reply(PresenceLog(id=1)).since_ms == WALL_START_MS
        await asyncio.sleep(KEPT_MS / 1000)
        story.toggle()
        await asyncio.sleep(1)
        page = story.events.reply(PresenceLog(id=1))
        assert [event.number for event in page.events] == [KEPT_EVENTS + 2]
        assert page.since_ms == story.clock.wall_ms() - KEPT_MS

    told(body)


def test_a_node_that_flaps_fills_no_memory_and_says_how_far_back_it_knows() -> None:
    async def body(story: Story) -> None:
        for _ in range(KEPT_EVENTS + 5):
            story.toggle()
            await asyncio.sleep(0.001)
        page = story.events.reply(PresenceLog(id=1, before=KEPT_EVENTS + 8))
        assert [event.number for event in page.events] == [KEPT_EVENTS + 7, KEPT_EVENTS + 6]
        assert page.since_ms <= page.events[-1].time_ms
        assert page.since_ms > WALL_START_MS

    told(body)


@pytest.mark.parametrize("side", ["south", "north"])
def test_the_office_tells_ops_why_somebody_went_and_nobody_else(side: str) -> None:
    async def scenario(whole: WholeOffice) -> None:
        ops = await whole.connect("ops")
        seat = await whole.connect(f"{side}-1")
        await asyncio.sleep(1)
        seat.session.on_closed("no pong")
        await asyncio.sleep(GRACE_MS / 1000 + 2)
        reply = await ops.ask("presence_log", user=f"{side}-1")
        assert reply["node"] == "n1"
        assert [(event["connectivity"], event["cause"]) for event in reply["events"]] == [
            ("offline", "no pong"),
            ("unconfirmed", "no pong"),
            ("online", "connected"),
        ]
        for name in ("south-2", "north-2", f"{side}-bot"):
            stranger = await whole.connect(name)
            assert (await stranger.ask("presence_log"))["name"] == "forbidden"

    in_office(scenario)
