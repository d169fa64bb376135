import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest

from liaison.core.identifiers import NO_DELEGATION, DelegationId, SessionId, UserId
from liaison.core.rights import Account, Role
from liaison.office.session_table import SessionTable
from liaison.office.statistics_feed import KEPT_STEPS, NO_ANSWER, STEP_MS, StatisticsFeed
from liaison.ports.bus import StatisticsHint
from liaison.protocol.codec import WireFormat
from liaison.protocol.frames import StatisticsStep
from tests.office.screens import payload_of
from tests.office.test_session_board import Connection, Session
from tests.simulation.cluster import PROFILE
from tests.virtual_time import World, run

SOUTH, NORTH = DelegationId("south"), DelegationId("north")
OPS = Account(UserId("ops"), "Ops", NO_DELEGATION, Role.OPS)
PAK = Account(UserId("pak"), "박", NORTH, Role.OFFICIAL)
STEP_S = STEP_MS / 1000


@dataclass(eq=False)
class OpsPage:
    """A watcher that keeps the steps it was pushed."""

    account: Account = OPS
    wire: WireFormat = WireFormat.JSON
    steps: list[dict[str, Any]] = field(default_factory=list)
    elsewhere: list[dict[str, Any]] = field(default_factory=list)

    def send(self, frames: bytes, /) -> None:
        frame = msgspec.json.decode(payload_of(frames))
        assert frame["type"] == "statistics"
        (self.steps if frame["node"] == "n1" else self.elsewhere).append(frame["step"])


class Scene:
    def __init__(self, world: World) -> None:
        self.table = SessionTable("n1")
        self.told: list[StatisticsHint] = []
        self.feed = StatisticsFeed("n1", PROFILE, self.table, world.clock, self.told.append)
        self.reasons: list[str] = []
        self.looks = 0
        self.log_hangs = False

    async def readiness(self) -> list[str]:
        self.looks += 1
        if self.log_hangs:
            await asyncio.sleep(3600)
        return self.reasons

    def kept(self) -> list[dict[str, Any]]:
        reply: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self.feed.reply(1)))
        assert (reply["node"], reply["step_ms"]) == ("n1", STEP_MS)
        return list(reply["steps"])

    def others(self) -> dict[str, list[int]]:
        """Give the numbers of the steps of the other nodes that are told of."""
        return {other.node: [step.number for step in other.steps] for other in self.feed.reply(1).others}

    def hear(self, number: int, *, node: str = "n2", time_ms: int | None = None, is_watched: bool = False) -> None:
        time_ms = number * STEP_MS if time_ms is None else time_ms
        step = StatisticsStep(number, time_ms, STEP_MS, sides=[], directions=[], sessions=3)
        self.feed.on_hint(StatisticsHint(node, step, is_watched))


def simulated(body: Callable[[Scene], Awaitable[None]]) -> None:
    async def scenario(world: World) -> None:
        scene = Scene(world)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(scene.feed.run(scene.readiness))
            # Looks just after each step, not in the same moment.
            await asyncio.sleep(0.1)
            await body(scene)
            running.cancel()

    run(1, scenario)


def _by_name(step: dict[str, Any]) -> list[dict[str, Any]]:
    return sorted(step["sides"], key=lambda side: side["delegation"], reverse=True)


def swapped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: swapped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted((swapped(inner) for inner in value), key=str)
    return {"south": "north", "north": "south"}.get(value, value) if isinstance(value, str) else value


def test_a_step_tells_what_happened_in_it_by_side_and_direction() -> None:
    async def body(scene: Scene) -> None:
        feed = scene.feed
        feed.published(SOUTH, 3)
        for latency_ms in (1.0, 1.0, 1.0, 90.0):
            feed.acknowledged(SOUTH, latency_ms)
        feed.delivered(SOUTH, NORTH, messages=3, receivers=5, latency_ms=4)
        feed.delivered(SOUTH, SOUTH, messages=3, receivers=2, latency_ms=2)
        feed.caught_up(7)
        feed.slow_consumer()
        feed.hint_missed()
        feed.refused("forbidden")
        feed.refused("forbidden")
        feed.append_finished(3, 1.0, "committed")
        feed.append_finished(1, 1.0, "unknown")
        feed.loop_was_late(12.4)
        feed.loop_was_late(3.0)
        await asyncio.sleep(STEP_S)
        (step,) = scene.kept()
        south, north = _by_name(step)
        assert (south["delegation"], south["published"]) == ("south", 3)
        assert south["ack_p50_us"] == pytest.approx(1000, rel=0.13)
        assert south["ack_p99_us"] == pytest.approx(90_000, rel=0.13)
        assert north == {"delegation": "north", "sessions": 0}
        directions = {(each["sender"], each["receiver"]): each for each in step["directions"]}
        assert set(directions) == {(sender, receiver) for sender in (SOUTH, NORTH) for receiver in (SOUTH, NORTH)}
        assert directions[SOUTH, NORTH]["deliveries"] == 15
        assert directions[SOUTH, NORTH]["seen_p99_us"] == pytest.approx(4000, rel=0.13)
        assert directions[SOUTH, SOUTH]["deliveries"] == 6
        assert directions[NORTH, SOUTH] == {"sender": "north", "receiver": "south"}
        assert (step["caught_up"], step["slow_consumers"], step["hints_missed"]) == (7, 1, 1)
        assert step["refusals"] == {"forbidden": 2}
        assert step["appends"] == {"committed": 1, "unknown": 1}
        assert step["loop_lag_ms"] == 12
        assert step["span_ms"] == STEP_MS

    simulated(body)


def test_each_step_begins_with_nothing() -> None:
    async def body(scene: Scene) -> None:
        await asyncio.sleep(STEP_S)
        scene.feed.published(NORTH, 1)
        scene.feed.acknowledged(NORTH, 1.0)
        scene.feed.delivered(NORTH, SOUTH, messages=1, receivers=1, latency_ms=1)
        scene.feed.refused("busy")
        scene.feed.loop_was_late(50)
        await asyncio.sleep(2 * STEP_S)
        before, busy, after = ({**step, "number": 0, "time_ms": 0} for step in scene.kept())
        assert before == after
        assert busy != after

    simulated(body)


def test_the_sides_are_told_of_alike() -> None:
    steps = []
    for own, other in ((SOUTH, NORTH), (NORTH, SOUTH)):

        async def body(scene: Scene, own: DelegationId = own, other: DelegationId = other) -> None:
            scene.table.opened(Session(SessionId("a"), account=replace(PAK, delegation=own)))
            scene.feed.published(own, 2)
            scene.feed.acknowledged(own, 3.0)
            scene.feed.delivered(own, other, messages=2, receivers=4, latency_ms=7)
            await asyncio.sleep(STEP_S)
            steps.extend(scene.kept())

        simulated(body)
    south, north = steps
    assert swapped(south) == swapped(swapped(north))


def test_sessions_are_counted_by_side_and_ops_with_neither() -> None:
    async def body(scene: Scene) -> None:
        sessions = [Session(SessionId(name), account=who) for name, who in (("a", PAK), ("b", PAK), ("c", OPS))]
        for session in sessions:
            scene.table.opened(session)
        await asyncio.sleep(STEP_S)
        scene.table.closed(SessionId("a"))
        scene.table.closed(SessionId("a"))
        await asyncio.sleep(STEP_S)
        full, rest = scene.kept()
        assert [(side["delegation"], side["sessions"]) for side in _by_name(full)] == [("south", 0), ("north", 2)]
        assert full["sessions"] == 3
        assert [side["sessions"] for side in _by_name(rest)] == [0, 1]
        assert rest["sessions"] == 2

    simulated(body)


def test_the_last_quarter_of_an_hour_is_kept_for_a_page_that_opens_late() -> None:
    async def body(scene: Scene) -> None:
        await asyncio.sleep(20 * 60)
        numbers = [step["number"] for step in scene.kept()]
        assert numbers == list(range(240 - KEPT_STEPS + 1, 241))
        assert KEPT_STEPS * STEP_MS == 15 * 60 * 1000

    simulated(body)


def test_who_watches_gets_each_step_as_it_ends_until_they_stop() -> None:
    async def body(scene: Scene) -> None:
        page = OpsPage()
        await asyncio.sleep(STEP_S)
        scene.feed.watch(page)
        await asyncio.sleep(2 * STEP_S)
        assert page.steps == scene.kept()[1:]
        scene.feed.unwatch(page)
        await asyncio.sleep(STEP_S)
        assert len(page.steps) == 2

    simulated(body)


def test_who_is_no_longer_ops_gets_nothing_more() -> None:
    async def body(scene: Scene) -> None:
        page = OpsPage()
        scene.feed.watch(page)
        page.account = replace(OPS, role=Role.OFFICIAL)
        await asyncio.sleep(STEP_S)
        assert page.steps == []

    simulated(body)


def test_what_costs_a_commit_or_a_look_at_every_socket_is_asked_for_only_while_somebody_watches() -> None:
    async def body(scene: Scene) -> None:
        connection = Connection(waiting=70)
        scene.table.opened(Session(SessionId("a"), connection=connection))
        looks = connection.looks
        scene.reasons = ["deaf to the bus"]
        await asyncio.sleep(STEP_S)
        assert (scene.looks, connection.looks) == (0, looks)
        scene.feed.watch(OpsPage())
        await asyncio.sleep(STEP_S)
        unseen, seen = scene.kept()
        assert "reasons" not in unseen
        assert "buffered_bytes" not in unseen
        assert seen["reasons"] == ["deaf to the bus"]
        assert seen["buffered_bytes"] == 70

    simulated(body)


def test_a_log_that_hangs_is_told_as_one_and_stops_no_step() -> None:
    async def body(scene: Scene) -> None:
        page = OpsPage()
        scene.feed.watch(page)
        scene.log_hangs = True
        await asyncio.sleep(3 * STEP_S)
        assert [step["reasons"] for step in page.steps] == [[NO_ANSWER]] * 2
        # The wait counts to the step, so that rates stay right.
        assert page.steps[0]["span_ms"] > STEP_MS

    simulated(body)


def test_each_step_is_told_to_the_other_nodes_and_whether_somebody_watches_here() -> None:
    async def body(scene: Scene) -> None:
        await asyncio.sleep(STEP_S)
        scene.feed.watch(OpsPage())
        await asyncio.sleep(STEP_S)
        assert [(hint.node, hint.step.number, hint.is_watched) for hint in scene.told] == [
            ("n1", 1, False),
            ("n1", 2, True),
        ]

    simulated(body)


def test_steps_of_other_nodes_are_pushed_and_kept_for_a_page_that_opens_late() -> None:
    async def body(scene: Scene) -> None:
        page = OpsPage()
        scene.feed.watch(page)
        scene.hear(1)
        scene.hear(3)
        scene.hear(2, node="n3")
        scene.hear(9, node="n1")
        assert [step["number"] for step in page.elsewhere] == [1, 3, 2]
        assert scene.others() == {"n2": [1, 3], "n3": [2]}

    simulated(body)


def test_a_repeated_step_changes_nothing_and_a_node_that_was_started_anew_begins_anew() -> None:
    async def body(scene: Scene) -> None:
        scene.hear(7)
        scene.hear(7)
        scene.hear(6)
        assert scene.others() == {"n2": [7]}
        scene.hear(1, time_ms=8 * STEP_MS)
        assert scene.others() == {"n2": [1]}

    simulated(body)


def test_a_node_that_falls_silent_is_forgotten_after_a_minute() -> None:
    async def body(scene: Scene) -> None:
        scene.hear(1)
        await asyncio.sleep(55)
        assert scene.others() == {"n2": [1]}
        await asyncio.sleep(10)
        assert scene.others() == {}

    simulated(body)


def test_no_more_nodes_are_kept_than_an_office_can_have() -> None:
    async def body(scene: Scene) -> None:
        for number in range(100):
            scene.hear(1, node=f"n{number + 2}")
        assert len(scene.others()) == 64

    simulated(body)


def test_what_is_costly_is_asked_for_while_somebody_watches_at_another_node() -> None:
    async def body(scene: Scene) -> None:
        scene.reasons = ["draining"]
        scene.hear(1, is_watched=True)
        await asyncio.sleep(5 * STEP_S)
        assert [step.get("reasons") for step in scene.kept()] == [["draining"]] * 3 + [None] * 2

    simulated(body)
