"""Dispatches under faults: officials of both sides who insist, nodes that crash, a log that refuses or says nothing.

D1 numbers of a side and year are 1..n, each given once · D2 the joint register has each of them and none else, and one
text at most · D3 no text is there before its acceptance, unless for life safety · D4 what was granted is on one
register, once · D5 after healing nothing waits that follows by itself · D6 each register's steps are those of
the table.
"""

import asyncio
import logging
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog

from liaison.adapters.sql_engine import memory_database
from liaison.core.dispatch import TABLE, Event, State
from liaison.core.entries import Entry
from liaison.core.identifiers import OFFICE, DelegationId
from liaison.core.register_channels import DISPATCHES, own_dispatches
from liaison.office.dispatch_books import DispatchSettings
from liaison.protocol.errors import LiaisonError
from tests import virtual_time
from tests.memory_marks import MemoryMarks
from tests.office.dispatch_office import ITEMS, LETTER, SIDES, DispatchOffice, ask
from tests.simulation.cluster import Weather
from tests.simulation.nodes import StormyNodes

STORM_S: Final = 20.0
HEAL_S: Final = 12.0
SETTINGS: Final = DispatchSettings(repeat_every_ms=4000, look_every_s=2.0)
PEOPLE: Final = tuple(f"{side}-{name}" for side in SIDES for name in ("1", "2", "head"))
STEPS: Final = {
    "draft": ("clear", "tender", "close"),
    "cleared": ("tender", "tender", "close"),
    "numbered": ("tender",),
    "tendered": ("accept", "accept", "defer", "decline", "record_other_means"),
    "deferred": ("tender", "accept"),
    "declined": ("tender", "close"),
    "accepted": ("acknowledge",),
    "delivered": ("acknowledge", "record_other_means"),
    "awaiting_read_back": ("read_back", "acknowledge"),
    "read_back": ("confirm_read_back",),
    "confirmed": ("acknowledge",),
    "delivered_otherwise": ("accept", "acknowledge"),
    "acknowledged": ("close",),
}


@dataclass
class Outcome:
    """What a run came to."""

    violations: list[str]
    granted: int
    numbers: int
    faults: int


def simulate(seed: int) -> Outcome:
    """Run one seed under virtual time."""

    async def scenario(world: virtual_time.World) -> Outcome:
        return await _Run(world).run()

    return virtual_time.run(seed, scenario, limit_s=300)


class _Run:
    def __init__(self, world: virtual_time.World) -> None:
        self._rng, self._weather = world.random, Weather(p_append_fails=0.12)
        database = memory_database(world.run_blocking)
        self._whole = DispatchOffice(world.clock, database, MemoryMarks(), SETTINGS)
        self._nodes = StormyNodes(self._whole.node, self._whole.log, self._weather, world.random)
        # What was granted, by user and key.
        self._granted: set[tuple[str, str]] = set()

    async def run(self) -> Outcome:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        await self._whole.move_in()
        for _ in range(2):
            await self._nodes.begin()
        async with asyncio.TaskGroup() as tasks:
            acting = [tasks.create_task(self._act(user, random.Random(self._rng.randrange(2**32)))) for user in PEOPLE]
            faults = await self._nodes.storm(STORM_S)
            for task in acting:
                task.cancel()
        self._weather.p_append_fails, self._weather.log_full = 0.0, False
        await asyncio.sleep(HEAL_S)
        joint = await self._whole.entries(DISPATCHES)
        own = {side: await self._whole.entries(own_dispatches(DelegationId(side))) for side in SIDES}
        await self._nodes.crash_all()
        broken = list(violations(own, joint, self._granted))
        return Outcome(broken, len(self._granted), sum(map(len, map(given_numbers, own.values()))), faults)

    # --- people ---------------------------------------------------------------------------------------------------

    async def _act(self, user: str, rng: random.Random) -> None:
        for turn in range(10**6):
            await asyncio.sleep(rng.expovariate(2.5))
            type_, fields = await self._next_wish(user, rng)
            await self._insist(user, type_, {**fields, "key": f"{user} {turn}"}, rng)

    async def _next_wish(self, user: str, rng: random.Random) -> tuple[str, dict[str, Any]]:
        try:
            lines = (await ask(rng.choice(self._nodes.up).office, user, "dispatches"))["dispatches"]
        except LiaisonError:
            lines = []
        open_lines = [line for line in lines if line["state"] in STEPS]
        if len(open_lines) < 3 or rng.random() < 0.2:
            precedence = rng.choice(("", "priority", "flash", "life_safety"))
            return "dispatch_draft", {**LETTER, "precedence": precedence, "items": ITEMS}
        line = rng.choice(open_lines)
        step = rng.choice(STEPS[line["state"]])
        more: dict[str, dict[str, Any]] = {
            "defer": {"until_ms": 2**45},
            "decline": {"note": "까닭"},
            "read_back": {"values": ["3", "18:00"]},
            "confirm_read_back": {"confirmed": [True, rng.random() < 0.7]},
            "record_other_means": {"place": "전화", "at_ms": 1},
        }
        return f"dispatch_{step}", {"dispatch": line["dispatch"], "revision": line["revision"], **more.get(step, {})}

    async def _insist(self, user: str, type_: str, fields: dict[str, Any], rng: random.Random) -> None:
        with suppress(LiaisonError):
            await self._nodes.insist(lambda office: ask(office, user, type_, **fields), rng)
            self._granted.add((user, fields["key"]))


# --- the checker --------------------------------------------------------------------------------------------------


def _record(entry: Entry) -> dict[str, Any]:
    record: dict[str, Any] = msgspec.json.decode(entry.draft.data)
    return record


def given_numbers(entries: Iterable[Entry]) -> list[str]:
    """Give the numbers of a side's register, in the order they were given."""
    return [
        record["number"] if record["event"].startswith("numbered") else record["dispatch"]
        for record in map(_record, entries)
        if record["event"] in ("numbered", "numbered_at_once", "voided")
    ]


def violations(own: dict[str, list[Entry]], joint: list[Entry], granted: set[tuple[str, str]]) -> Iterable[str]:
    """Give every broken promise, as `NAME what`."""
    given = {side: given_numbers(entries) for side, entries in own.items()}
    for side, numbers in given.items():
        if [int(number[-4:]) for number in numbers] != list(range(1, len(numbers) + 1)):
            yield f"D1 {side} gave {numbers}"
    yield from _check_joint(joint, {number for numbers in given.values() for number in numbers})
    everything = [*joint, *(entry for entries in own.values() for entry in entries)]
    found = Counter((entry.draft.sender, entry.draft.key) for entry in everything if entry.draft.sender != OFFICE)
    for user, key in granted:
        if found[user, key] != 1:  # type: ignore[index]  # what was asked for is plain text
            yield f"D4 {key} was granted and is {found[user, key]} times on the registers"  # type: ignore[index]
    for side, entries in own.items():
        yield from _check_table(entries, State.NEW, side)
    yield from _check_table(joint, State.NUMBERED, "joint")


def _check_joint(joint: list[Entry], given: set[str]) -> Iterable[str]:
    events: dict[str, list[str]] = defaultdict(list)
    for record in map(_record, joint):
        number = record["dispatch"]
        is_first = not events[number]
        events[number].append(record["event"])
        if "content" in record and not is_first and "accepted" not in events[number]:
            yield f"D3 the text of {number} is there before it was accepted"
        if "content" in record and is_first and record["heading"].get("precedence") != "life_safety":
            yield f"D3 the text of {number} came without a tender"
    if set(events) != given:
        yield f"D2 only on one register: {sorted(set(events) ^ given)}"
    for number, happened in events.items():
        if happened.count("voided") + sum(each.startswith("delivered") for each in happened) > 1:
            yield f"D2 {number} was handed over twice"
        if happened[-1] == "accepted":
            yield f"D5 {number} was accepted and its text never came"


def _check_table(entries: list[Entry], first: State, what: str) -> Iterable[str]:
    states: dict[str, State] = {}
    for record in map(_record, entries):
        name = record["dispatch"]
        after = TABLE[states.get(name, first), Event(record["event"])]
        if isinstance(after, State):
            states[name] = after
        else:
            yield f"D6 {name} was {record['event']} in the register {what} when it was {states.get(name, first).value}"
