"""Line checks and handovers under faults: desks that insist, nodes that crash, an office that is down for a while.

K1 every check that was due is on the record, opened or missed, once · K2 each that was opened has ended, once, in one
outcome · K3 answered is what a desk of the other side has answered after the call, and nothing else is · K4 what was
granted is on the register, once · K5 of a side's handovers one is open at a time, and each ends once.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog

from liaison.core.entries import Entry
from liaison.core.identifiers import OFFICE, DelegationId, Millis
from liaison.core.line_check_schedule import Schedule
from liaison.core.register_channels import LINE_CHECKS, own_duty
from liaison.office.duty import DutyDepartment, DutySettings
from liaison.office.line_checks import LineCheckDepartment, LineCheckSettings
from liaison.office.sessions import Peer
from liaison.protocol.codec import WireFormat
from liaison.protocol.errors import LiaisonError
from tests import virtual_time
from tests.core.test_duty_roster import HOURS
from tests.office.doubles import Wire
from tests.office.liaison_office import SIDES, LiaisonOffice, secret_of
from tests.office.whole_office import Seat
from tests.simulation.cluster import Weather
from tests.simulation.nodes import StormyNodes

STORM_S: Final = 600.0
HEAL_S: Final = 150.0
WINDOW_MS: Final = 60_000
# The office opens at 19:30 of its clock; a check every two or three minutes.
SCHEDULE: Final = Schedule(
    tuple(f"{hour}:{minute:02}" for hour in (19, 20) for minute in range(0, 60, 4)),
    "Asia/Seoul",
    DelegationId("south"),
    DelegationId("north"),
)
PEOPLE: Final = tuple(f"{side}-{name}" for side in SIDES for name in ("1", "2", "head"))


@dataclass
class Outcome:
    """What a run came to."""

    violations: list[str]
    granted: int
    outcomes: Counter[str]
    faults: int


def simulate(seed: int) -> Outcome:
    """Run one seed under virtual time."""

    async def scenario(world: virtual_time.World) -> Outcome:
        return await _Run(world).run()

    return virtual_time.run(seed, scenario, limit_s=10_000)


class _Run:
    def __init__(self, world: virtual_time.World) -> None:
        self._rng, self._weather = world.random, Weather(p_append_fails=0.12)
        settings = LineCheckSettings(SCHEDULE, ("하나", "둘"), answer_within_ms=WINDOW_MS)
        self._whole = LiaisonOffice(
            world,
            [
                lambda office: LineCheckDepartment(office, settings),
                lambda office: DutyDepartment(office, DutySettings(HOURS)),
            ],
        )
        self._nodes = StormyNodes(self._whole.node, self._whole.log, self._weather, world.random)
        self._faults = 0
        self._granted: set[tuple[str, str]] = set()

    async def run(self) -> Outcome:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        await self._whole.move_in()
        began_ms = self._whole.clock.wall_ms()
        await self._begin_node()
        await self._begin_node()
        async with asyncio.TaskGroup() as tasks:
            acting = [tasks.create_task(self._act(user, random.Random(self._rng.randrange(2**32)))) for user in PEOPLE]
            await self._storm()
            for task in acting:
                task.cancel()
        self._weather.p_append_fails, self._weather.log_full = 0.0, False
        await asyncio.sleep(HEAL_S)
        ended_ms = Millis(self._whole.clock.wall_ms() - 2 * WINDOW_MS)
        checks = await self._whole.entries(LINE_CHECKS)
        duty = {side: await self._whole.entries(own_duty(DelegationId(side))) for side in SIDES}
        await self._nodes.crash_all()
        broken = list(violations(checks, duty, self._granted, (began_ms, ended_ms)))
        outcomes = Counter(record["outcome"] for record in map(_record, checks) if record["event"] == "ended")
        outcomes += Counter(record["event"] for record in map(_record, checks) if record["event"] != "ended")
        return Outcome(broken, len(self._granted), outcomes, self._faults)

    async def _begin_node(self) -> None:
        node = await self._nodes.begin()
        for side in SIDES:
            if node.rng.random() < 0.7:
                wire = Wire()
                session = node.office.open_session(wire, WireFormat.MSGPACK, "", Peer("loopback", "test"))
                Seat(wire, session).send("connect", token=secret_of(f"{side}-{node.rng.choice(('1', '2', 'bot'))}"))

    async def _storm(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + STORM_S
        while loop.time() < until:
            await asyncio.sleep(self._rng.expovariate(1 / 40))
            self._faults += 1
            match self._rng.choice(("crash", "crash", "down", "full", "stall")):
                case "crash":
                    await self._nodes.crash(self._rng.choice(self._nodes.up))
                    await self._begin_node()
                case "down":
                    # Nobody keeps anything for a while: long enough, at times, to miss a check altogether.
                    await self._nodes.crash_all()
                    await asyncio.sleep(self._rng.uniform(1, 400))
                    for _ in range(2):
                        await self._begin_node()
                case "full":
                    self._weather.log_full = True
                    loop.call_later(self._rng.uniform(0.1, 20), setattr, self._weather, "log_full", False)
                case _:
                    self._weather.log_stalled_until = loop.time() + self._rng.uniform(0, 20)

    # --- people ---------------------------------------------------------------------------------------------------

    async def _act(self, user: str, rng: random.Random) -> None:
        for turn in range(10**6):
            await asyncio.sleep(rng.expovariate(1 / 20))
            wish = await self._next_wish(user, rng)
            if wish is not None:
                await self._insist(user, wish[0], {**wish[1], "key": f"{user} {turn}"}, rng)

    async def _next_wish(self, user: str, rng: random.Random) -> tuple[str, dict[str, Any]] | None:
        if not self._nodes.up:
            return None
        office = rng.choice(self._nodes.up).office
        try:
            if rng.random() < 0.4:
                return self._of_a_shift((await self._whole.ask_at(office, user, "duty_handovers"))["handovers"], rng)
            waiting = (await self._whole.ask_at(office, user, "line_checks", days=1))["open"]
        except LiaisonError:
            return None
        if not waiting:
            return ("line_check_request", {}) if rng.random() < 0.1 else None
        step = "line_check_call" if rng.random() < 0.5 else "line_check_answer"
        return step, {"check": rng.choice(waiting)["check"]}

    @staticmethod
    def _of_a_shift(handovers: Sequence[dict[str, Any]], rng: random.Random) -> tuple[str, dict[str, Any]]:
        waiting = [each for each in handovers if each["state"] == "offered"]
        # Also while another one waits: somebody may not have looked.
        if not waiting or rng.random() < 0.2:
            return "duty_hand_over", {}
        name, digest = waiting[0]["handover"], waiting[0]["digest"]
        if rng.random() < 0.3:
            return "duty_withdraw", {"handover": name}
        return "duty_acknowledge", {"handover": name, "digest": digest}

    async def _insist(self, user: str, type_: str, fields: dict[str, Any], rng: random.Random) -> None:
        with suppress(LiaisonError):
            await self._nodes.insist(lambda office: self._whole.ask_at(office, user, type_, **fields), rng)
            self._granted.add((user, fields["key"]))


# --- the checker --------------------------------------------------------------------------------------------------


def _record(entry: Entry) -> dict[str, Any]:
    record: dict[str, Any] = msgspec.json.decode(entry.draft.data)
    return record


def violations(
    checks: Sequence[Entry],
    duty: dict[str, list[Entry]],
    granted: set[tuple[str, str]],
    span: tuple[Millis, Millis],
) -> Iterable[str]:
    """Give every broken promise, as `NAME what`."""
    records = [(entry, _record(entry)) for entry in checks]
    opened = Counter(record["check"] for _, record in records if record["event"] in ("opened", "requested"))
    missed = Counter(slot["name"] for _, record in records if record["event"] == "missed" for slot in record["checks"])
    first_ms = next(entry.time_ms for entry, record in records if record["event"] == "schedule")
    for slot in SCHEDULE.due_between(max(span[0], first_ms), span[1]):
        if opened[slot.name] + missed[slot.name] != 1:
            yield f"K1 {slot.name} was opened {opened[slot.name]} times and missed {missed[slot.name]} times"
    ends = Counter(record["check"] for _, record in records if record["event"] in ("ended", "answered"))
    # The last ones may still be within their window.
    young = {record["check"] for entry, record in records if record["event"] == "opened" and entry.time_ms > span[1]}
    for name, times in opened.items():
        if times != 1 or ends[name] != (0 if name in young and not ends[name] else 1):
            yield f"K2 {name} was opened {times} times and has ended {ends[name]} times"
    yield from _check_answers(records)
    everything = [*checks, *(entry for entries in duty.values() for entry in entries)]
    found = Counter((entry.draft.sender, entry.draft.key) for entry in everything if entry.draft.sender != OFFICE)
    for user, key in granted:
        if found[user, key] != 1:  # type: ignore[index]  # what was asked for is plain text
            yield f"K4 {key} was granted and is {found[user, key]} times on the registers"  # type: ignore[index]
    for side, entries in duty.items():
        yield from _check_handovers(side, entries)


def _check_answers(records: Sequence[tuple[Entry, dict[str, Any]]]) -> Iterable[str]:
    callers: dict[str, str] = {}
    called: set[str] = set()
    for entry, record in records:
        match record["event"]:
            case "opened" | "requested":
                callers[record["check"]] = record["caller"]
                if record["event"] == "requested":
                    called.add(record["check"])
            case "called":
                called.add(record["check"])
            case "answered":
                if record["check"] not in called or entry.draft.delegation == callers[record["check"]]:
                    yield f"K3 {record['check']} was answered by {entry.draft.sender}"
            case "ended":
                if record["outcome"] == "answered":
                    yield f"K3 {record['check']} ended as answered without an answer"


def _check_handovers(side: str, entries: Sequence[Entry]) -> Iterable[str]:
    is_open: str | None = None
    for record in map(_record, entries):
        match record["event"]:
            case "offered":
                if is_open is not None:
                    yield f"K5 {side} offered {record['handover']} while {is_open} was open"
                is_open = record["handover"]
            case "acknowledged" | "withdrawn":
                if record["handover"] != is_open:
                    yield f"K5 {side}: {record['handover']} ended, and {is_open} was open"
                is_open = None
