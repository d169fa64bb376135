"""What only a log on a real disk can show: a process that is killed, a disk that is full, a command beside a server."""

import asyncio
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from liaison.adapters.sql_engine import Database, memory_database, open_database
from liaison.adapters.sql_log import SqlLog, SqlReadPositions
from liaison.adapters.sql_search import MOST_LATE
from liaison.adapters.sql_writer import driver_of
from liaison.core.chain import GENESIS, link_of
from liaison.core.entries import Draft, EntryKind, Stored
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.ports.log import HeadMovedError, LogFullError

CHANNELS = [ChannelId(f"joint/{name}") for name in ("general", "weather", "crossings")]
NOON = Millis(1_790_000_000_000)

# Appends to three channels at once for as long as it lives, and prints each acknowledged key with its place.
_WRITER = """
import asyncio, sys
from pathlib import Path
from liaison.adapters.sql_engine import open_database
from liaison.adapters.sql_log import SqlLog
from liaison.core.entries import Draft, EntryKind

async def write(log, channel, run):
    for number in range(100_000):
        drafts = [Draft("kim", "south", f"{run}-{number}-{n}", EntryKind.TEXT, "로동 " * n) for n in range(3)]
        appended = await log.append(channel, drafts, 1_790_000_000_000)
        lines = [f"{channel} {o.entry.draft.key} {o.entry.seq}" for o in appended.outcomes]
        print("\\n".join(lines), flush=True)

async def main(path, run, *channels):
    log = SqlLog(open_database(Path(path)))
    async with asyncio.TaskGroup() as group:
        for channel in channels:
            group.create_task(write(log, channel, run))

asyncio.run(main(*sys.argv[1:]))
"""


def says(text: str) -> Draft:
    return Draft(UserId("kim"), DelegationId("south"), text, EntryKind.TEXT, text)


def acknowledged_until_killed(path: Path, run: int, lines_wanted: int) -> list[tuple[str, str, int]]:
    command = [sys.executable, "-c", _WRITER, str(path), str(run), *CHANNELS]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "server")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(lines_wanted)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
    # The last line may have been cut by the kill, and then nobody had read it.
    whole = [line.split() for line in lines if line.endswith("\n")]
    return [(channel, key, int(seq)) for channel, key, seq in whole]


@pytest.mark.system
async def test_what_was_acknowledged_before_a_kill_is_on_the_log_once_and_without_gaps(tmp_path: Path) -> None:
    path = tmp_path / "office.db"
    acknowledged: list[tuple[str, str, int]] = []
    for run in range(3):
        acknowledged += acknowledged_until_killed(path, run, 150 + 40 * run)
    database = open_database(path)
    log = SqlLog(database)
    stored: set[tuple[str, str, int]] = set()
    for channel in CHANNELS:
        entries = (await log.read(channel, after=0, limit=1_000_000, max_bytes=1 << 30)).entries
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        assert len({entry.draft.key for entry in entries}) == len(entries)
        link = GENESIS
        for entry in entries:
            link = link_of(link, channel, entry.seq, entry.time_ms, entry.draft)
            assert entry.link == link
        stored |= {(channel, entry.draft.key, entry.seq) for entry in entries}
    assert len(acknowledged) >= 3 * 150
    assert stored.issuperset(acknowledged)
    await database.close()


# Resumes a suspended channel, and kills itself when SQLite is about to run the statement that begins so; the number
# tells how many such statements are let through first. Little cache, so that a release is on the disk long before its
# commit.
_RESUMER = """
import asyncio, os, signal, sys
from pathlib import Path
from liaison.adapters.sql_engine import open_database
from liaison.adapters.sql_log import SqlLog
from liaison.adapters.sql_writer import driver_of
from liaison.core.entries import Draft, EntryKind

async def main(path, channel, fatal_statement, spared):
    database = open_database(Path(path))
    seen = 0

    def watch(statement):
        nonlocal seen
        seen += statement.startswith(fatal_statement)
        if seen > int(spared):
            os.kill(os.getpid(), signal.SIGKILL)

    driver = driver_of(database._writer_connection)
    driver.execute("PRAGMA cache_size = 8")
    driver.set_trace_callback(watch)
    await SqlLog(database).append(channel, [Draft("ri", "north", "resume", EntryKind.RESUMPTION)], 1_790_000_000_001)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.system
@pytest.mark.parametrize(
    ("fatal_statement", "spared"),
    [
        ("INSERT INTO message", 0),
        ("INSERT INTO message", 20),
        ("INSERT INTO search_index", 9),
        ("DELETE FROM held", 0),
        ("UPDATE channel_head", 0),
        ("COMMIT", 0),
        ("never", 0),
    ],
)
async def test_a_kill_while_a_channel_is_resumed_leaves_all_held_or_all_released(
    tmp_path: Path, fatal_statement: str, spared: int
) -> None:
    path, channel = tmp_path / "office.db", CHANNELS[0]
    database = open_database(path)
    suspension = Draft(UserId("kim"), DelegationId("south"), "suspend", EntryKind.SUSPENSION)
    drafts = [says(f"{number} 로동") for number in range(2_000)]
    await SqlLog(database).append(channel, [suspension, *drafts], NOON)
    await database.close()
    command = [sys.executable, "-c", _RESUMER, str(path), channel, fatal_statement, str(spared)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "server")}
    assert subprocess.run(command, check=False, env=environment).returncode == -signal.SIGKILL

    database = open_database(path)
    log = SqlLog(database)
    is_released = fatal_statement == "never"
    assert await log.suspended([channel]) == (frozenset() if is_released else {channel})
    assert len(await log.held(channel, after=0, limit=9_999)) == (0 if is_released else 2_000)
    assert (await log.heads([channel]))[channel].seq == (2_002 if is_released else 1)
    resumption = Draft(UserId("ri"), DelegationId("north"), "resume", EntryKind.RESUMPTION)
    await log.append(channel, [resumption], Millis(NOON + 1))
    page = await log.read(channel, after=2, limit=9_999, max_bytes=1 << 30)
    assert [entry.draft for entry in page.entries] == drafts
    found, _ = await log.search("1234 노동", [channel], before_ms=None, limit=5)
    assert [entry.draft.text for entry in found] == ["1234 로동"]
    await database.close()


@pytest.mark.system
async def test_ten_thousand_held_messages_are_released_at_once_and_in_little_memory(tmp_path: Path) -> None:
    database = open_database(tmp_path / "office.db")
    log, channel = SqlLog(database), CHANNELS[0]
    await log.append(channel, [Draft(UserId("kim"), DelegationId("south"), "suspend", EntryKind.SUSPENSION)], NOON)
    drafts = [says(f"{number} 회담 장소와 시간" * 4) for number in range(10_000)]
    for start in range(0, len(drafts), 500):
        await log.append(channel, drafts[start : start + 500], NOON)
    resumption = Draft(UserId("ri"), DelegationId("north"), "resume", EntryKind.RESUMPTION)
    heads: set[int] = set()
    tracemalloc.start()
    release = asyncio.create_task(log.append(channel, [resumption], NOON))
    while not release.done():
        heads.add((await log.heads([channel]))[channel].seq)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    heads.add((await log.heads([channel]))[channel].seq)
    assert heads == {1, 10_002}, "a reader sees all of it or none"
    assert peak_bytes < 3 << 20
    page = await log.read(channel, after=2, limit=10_001, max_bytes=1 << 30)
    assert [entry.draft.key for entry in page.entries] == [draft.key for draft in drafts]
    await database.close()


async def test_of_two_processes_that_decide_by_the_same_head_one_is_refused(tmp_path: Path) -> None:
    server, command = open_database(tmp_path / "office.db"), open_database(tmp_path / "office.db")

    async def decide(log: SqlLog, name: str) -> int:
        done = 0
        for number in range(20):
            try:
                await log.append(CHANNELS[0], [says(f"{name} {number}")], NOON, expect_head=number)
            except HeadMovedError:
                continue
            done += 1
        return done

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(decide(SqlLog(each), name)) for name, each in (("s", server), ("c", command))]
    page = await SqlLog(server).read(CHANNELS[0], after=0, limit=99, max_bytes=1 << 20)
    assert page.head == len(page.entries) == sum(task.result() for task in tasks) == 20
    await server.close()
    await command.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.system
async def test_a_full_disk_refuses_appends_serves_reads_and_recovers(small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(1 << 20))
    database = open_database(small_disk / "office.db")
    log = SqlLog(database)
    reasons: list[str] = []
    database.call_on_fatal(reasons.append)
    stored = 0

    async def fill() -> None:
        nonlocal stored
        for _ in range(500):
            await log.append(CHANNELS[0], [says(f"{stored} " + "긴 글 " * 1000)], NOON)
            stored += 1

    with pytest.raises(LogFullError):
        await fill()
    assert stored > 0
    assert (await log.read(CHANNELS[0], after=stored - 1, limit=5, max_bytes=1 << 20)).head == stored
    filler.unlink()
    (outcome,) = (await log.append(CHANNELS[0], [says(f"{stored} " + "긴 글 " * 1000)], NOON)).outcomes
    assert isinstance(outcome, Stored)
    assert outcome.entry.seq == stored + 1
    await log.check()
    assert reasons == [], "a full disk is no reason to stop the process"
    await database.close()


async def test_a_command_beside_a_server_reads_and_writes_the_same_log(tmp_path: Path) -> None:
    server, command = open_database(tmp_path / "office.db"), open_database(tmp_path / "office.db")

    async def write(log: SqlLog, name: str) -> None:
        for number in range(20):
            await log.append(CHANNELS[0], [says(f"{name} {number}")], NOON)

    async with asyncio.TaskGroup() as group:
        group.create_task(write(SqlLog(server), "server"))
        group.create_task(write(SqlLog(command), "command"))
    for database in (server, command):
        page = await SqlLog(database).read(CHANNELS[0], after=0, limit=99, max_bytes=1 << 20)
        assert [entry.seq for entry in page.entries] == list(range(1, 41))
        await database.close()


async def test_read_positions_outlive_the_process(tmp_path: Path) -> None:
    database = open_database(tmp_path / "office.db")
    await SqlReadPositions(database).move(UserId("kim"), CHANNELS[0], 5)
    await database.close()
    database = open_database(tmp_path / "office.db")
    assert await SqlReadPositions(database).of(UserId("kim")) == {CHANNELS[0]: 5}
    await database.close()


def _indexed(database: Database) -> tuple[int, int]:
    """Give how many messages the index has under 로동, which it folds, and how many are behind its mark."""
    driver = driver_of(database._writer_connection)
    (indexed,) = driver.execute("SELECT count(*) FROM search_index WHERE search_index MATCH '\"노동\"'").fetchone()
    (late,) = driver.execute("SELECT count(*) FROM message WHERE moment > (SELECT moment FROM search_mark)").fetchone()
    return indexed, late


async def test_the_newest_messages_are_found_before_and_after_they_are_indexed_together() -> None:
    database = memory_database()
    log, channel = SqlLog(database), CHANNELS[0]
    await log.append(channel, [says("로동 first")], NOON)
    for number in range(MOST_LATE - 1):
        await log.append(channel, [says(f"로동 {number}")], Millis(NOON + number))
    assert _indexed(database) == (1, MOST_LATE - 1), "what came first after the start was indexed, the others wait"
    found, more = await log.search("로동", [channel], before_ms=None, limit=MOST_LATE)
    assert (len(found), more) == (MOST_LATE, False), "nothing is missing, and nothing comes twice"
    assert await log.search("로동", [CHANNELS[1]], before_ms=None, limit=5) == ([], False)

    await log.append(channel, [says("로동 last")], Millis(NOON + MOST_LATE))
    assert _indexed(database) == (MOST_LATE + 1, 0)
    found, more = await log.search("로동", [channel], before_ms=None, limit=MOST_LATE + 1)
    assert (len(found), more) == (MOST_LATE + 1, False)
    await database.close()


async def test_a_message_of_a_clock_that_was_set_back_is_indexed_at_once() -> None:
    database = memory_database()
    log, channel = SqlLog(database), CHANNELS[0]
    await log.append(channel, [says("로동 now")], NOON)
    await log.append(channel, [says("로동 then")], Millis(NOON - 60_000))
    assert _indexed(database) == (2, 0)
    found, _ = await log.search("로동", [channel], before_ms=None, limit=5)
    assert [entry.seq for entry in found] == [1, 2], "newest first, by the clock"
    await database.close()


async def test_what_was_not_indexed_yet_is_found_and_indexed_after_a_restart(tmp_path: Path) -> None:
    path, channel = tmp_path / "office.db", CHANNELS[0]
    database = open_database(path)
    log = SqlLog(database)
    for text in ("로동 1", "로동 2", "로동 3"):
        await log.append(channel, [says(text)], NOON)
    assert _indexed(database) == (1, 2)
    await database.close()
    database = open_database(path)
    log = SqlLog(database)
    assert len((await log.search("로동", [channel], before_ms=None, limit=5))[0]) == 3
    await log.append(channel, [says("로동 4")], NOON)
    assert _indexed(database) == (4, 0)
    await database.close()
