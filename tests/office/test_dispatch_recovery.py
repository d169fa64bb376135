"""Two logs and a mark, and a node that dies between any two writes: no state in between, no number lost or twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from liaison.adapters.data_directory import DataDirectory
from liaison.adapters.file_marks import FileMarks
from liaison.adapters.sql_backup import back_up, restore
from liaison.adapters.sql_engine import open_office
from liaison.adapters.system_clock import SystemClock
from liaison.core.identifiers import DelegationId
from liaison.core.register_channels import DISPATCHES, own_dispatches
from liaison.office.dispatch_books import DispatchSettings
from liaison.protocol.errors import ErrorCode, LiaisonError
from tests import virtual_time
from tests.memory_marks import MemoryMarks
from tests.office.dispatch_office import ITEMS, LETTER, DispatchOffice, in_dispatch_office

SOUTH = own_dispatches(DelegationId("south"))

# A routine dispatch and one of life safety, to the point where nothing follows by itself any more.
SCRIPT: list[tuple[str, str, str, dict[str, Any]]] = [
    ("south-1", "draft", "a", {**LETTER, "precedence": "priority", "items": ITEMS}),
    ("south-2", "clear", "a", {}),
    ("south-1", "tender", "a", {}),
    ("north-1", "defer", "a", {"until_ms": 2**45}),
    ("south-1", "tender", "a", {}),
    ("north-1", "accept", "a", {}),
    ("south-1", "draft", "b", {**LETTER, "precedence": "life_safety"}),
    ("south-1", "tender", "b", {}),
    ("north-1", "acknowledge", "b", {}),
    ("north-1", "read_back", "a", {"values": ["3", "18:00"]}),
]


async def insist(office: DispatchOffice, user: str, type_: str, **fields: Any) -> Any:
    """Ask with the same key until there is an answer: where the node has died, the next one is asked."""
    try:
        return await office.ask(user, type_, **fields)
    except LiaisonError as error:
        if error.code is not ErrorCode.UNKNOWN_OUTCOME:
            raise
    async with office.node("after"):
        return await office.ask(user, type_, **fields)


async def play(office: DispatchOffice) -> None:
    names: dict[str, str] = {}
    for place, (user, step, which, fields) in enumerate(SCRIPT):
        key = f"k{place}"
        if step == "draft":
            names[which] = (await insist(office, user, "dispatch_draft", key=key, **fields))["dispatch"]["dispatch"]
            continue
        seen = (await office.ask("south-1", "dispatch", dispatch=names[which]))["dispatch"]
        known = names[which] if user.startswith("south") else seen["number"]
        asked = {"key": key, "dispatch": known, "revision": seen["revision"], **fields}
        await insist(office, user, f"dispatch_{step}", **asked)
        if office.brittle.left is not None and office.brittle.left < 0:
            await move_on(office)


async def move_on(office: DispatchOffice) -> None:
    """What follows by itself is written by whoever looks next: a node that lives, which is asked from now on."""
    office.brittle.left = None
    await office.ask("north-1", "dispatches")


def registers(place: int | None = None, *, commits: bool = False) -> tuple[list[tuple[str, str]], list[Any], int]:
    """Play the script, the node dying at the append of this place; give both registers and how many appends it took."""
    out: list[Any] = []

    async def scenario(office: DispatchOffice) -> None:
        office.brittle.left, office.brittle.commits = place, commits
        first = office.brittle
        await play(office)
        await move_on(office)
        out[:] = [await office.events(), [event for _, event in await office.events(SOUTH)], first.appends]

    in_dispatch_office(scenario, DispatchSettings(look_every_s=1e6))
    return out[0], out[1], out[2]


def test_a_node_that_dies_at_any_write_leaves_the_registers_as_if_it_had_lived() -> None:
    joint, own, appends = registers()
    assert Counter(event for _, event in joint)["tendered"] == 2
    assert appends > len(SCRIPT)
    for place in range(appends):
        for commits in (False, True):
            assert registers(place, commits=commits)[:2] == (joint, own), (place, commits)


def test_what_nobody_looks_at_is_finished_by_a_node_that_runs() -> None:
    async def scenario(office: DispatchOffice) -> None:
        name = await office.draft()
        await office.step("south-2", "clear", name)
        revision = (await office.ask("south-1", "dispatch", dispatch=name))["dispatch"]["revision"]
        office.brittle.left = 1
        line = await office.step("south-1", "tender", name, revision=revision)
        # The number is given, and the node can't write the joint register.
        assert line["state"] == "numbered"
        assert await office.events() == []
        async with office.node("n2"):
            await asyncio.sleep(6)
        assert await office.events() == [("south-2018-0001", "tendered")]

    in_dispatch_office(scenario)


def test_a_full_log_is_said_and_nothing_is_half_done() -> None:
    async def scenario(office: DispatchOffice) -> None:
        number = await office.tender()
        revision = (await office.ask("north-1", "dispatch", dispatch=number))["dispatch"]["revision"]
        office.brittle.left = 1
        line = await office.step("north-1", "accept", number, revision=revision)
        assert line["state"] == "accepted"
        office.brittle.left = None
        assert (await office.ask("north-1", "dispatch", dispatch=number))["dispatch"]["state"] == "delivered"

    in_dispatch_office(scenario)


@asynccontextmanager
async def opened(data: DataDirectory) -> AsyncIterator[DispatchOffice]:
    """Open an office as a server does, with its marks beside the database."""
    database = open_office(data)
    office = DispatchOffice(
        SystemClock(), database, FileMarks(data.path / "marks"), DispatchSettings(look_every_s=0.02)
    )
    try:
        if not await office.directory.revision():
            await office.move_in()
        async with office.node():
            yield office
    finally:
        await database.close()


def places(events: list[tuple[str, str]], event: str) -> list[int]:
    return [int(number.rpartition("-")[2]) for number, each in events if each == event and "-" in number]


async def test_no_number_comes_again_after_a_restore_and_the_gap_is_said(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path / "office")
    data.path.mkdir()
    async with opened(data) as office:
        await office.tender()
        await office.tender("north")
        back_up(data, tmp_path / "old", lambda _done, _all: None)
        for _ in range(3):
            await office.tender()
    for stamp in ("1", "2"):
        restore(data, tmp_path / "old", stamp=stamp, progress=lambda _done, _all: None)
        async with opened(data) as office:
            number = await office.tender()
            latest = 5 if stamp == "1" else 6
            assert number.endswith(f"-{latest:04}")
            events = await office.events()
            south = [each for each in events if each[0].startswith("south")]
            assert places(south, "tendered") == [1, latest]
            assert places(south, "voided") == list(range(2, latest))
            (void,) = (await office.ask("north-1", "dispatches", state="void", limit=1))["dispatches"]
            history = (await office.ask("north-1", "dispatch", dispatch=void["number"]))["history"]
            assert history[-1]["note"] == "lost in a restore"
            assert places(events, "voided") == places(south, "voided")


async def test_the_gap_is_closed_without_anybody_asking(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path / "office")
    data.path.mkdir()
    async with opened(data) as office:
        back_up(data, tmp_path / "old", lambda _done, _all: None)
        await office.tender()
    restore(data, tmp_path / "old", stamp="1", progress=lambda _done, _all: None)
    async with opened(data) as office, asyncio.timeout(5):
        while not places(await office.events(DISPATCHES), "voided"):
            await asyncio.sleep(0.01)


def test_a_new_year_begins_at_1_and_last_years_numbers_stay() -> None:
    async def scenario(office: DispatchOffice) -> None:
        first = await office.tender()
        assert isinstance(office.clock, virtual_time.VirtualClock)
        office.clock.jump_wall(366 * 24 * 3_600_000)
        second = await office.tender()
        assert (first[-10:], second[-10:]) == ("-2018-0001", "-2019-0001")
        assert (marks.marks["dispatches-south-2018"], marks.marks["dispatches-south-2019"]) == (1, 1)

    marks = MemoryMarks()
    in_dispatch_office(scenario, marks=marks)
