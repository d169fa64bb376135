"""What every log and every store of read positions must do. An adapter joins by a factory in `FACTORIES`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liaison.adapters.postgres_engine import open_postgres
from liaison.adapters.postgres_lines import PostgresSettings
from liaison.adapters.postgres_log import PostgresLog, PostgresReadPositions
from liaison.adapters.sql_engine import Database, memory_database, open_database
from liaison.adapters.sql_log import SqlLog, SqlReadPositions
from liaison.core.chain import GENESIS, link_of
from liaison.core.entries import (
    Conflicting,
    Draft,
    Entry,
    EntryKind,
    Held,
    HeldDraft,
    Outcome,
    Precedence,
    Repeated,
    Stored,
)
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.position import Position
from liaison.ports.log import HeadMovedError, Log, ReadPositions
from tests.postgres_server import PostgresServer

GENERAL, WEATHER = ChannelId("joint/general"), ChannelId("joint/날씨")
KIM, RI = UserId("kim"), UserId("ri")
SOUTH, NORTH = DelegationId("south"), DelegationId("north")
NOON = Millis(1_790_000_000_000)
LATER = Millis(NOON + 3_600_000)
PLENTY = 1 << 20

SUSPENDS = Draft(KIM, SOUTH, "suspend", EntryKind.SUSPENSION, data='{"authority":"head"}')
RESUMES = Draft(RI, NORTH, "resume", EntryKind.RESUMPTION)


@dataclass(frozen=True)
class Store:
    """A log, and the read positions beside it."""

    log: Log
    positions: ReadPositions
    close: Callable[[], Awaitable[None]]


Open = Callable[[pytest.FixtureRequest], Store]


def sql_file(request: pytest.FixtureRequest) -> Store:
    return on_sqlite(open_database(request.getfixturevalue("tmp_path") / "office.db"))


def sql_memory(_request: pytest.FixtureRequest) -> Store:
    return on_sqlite(memory_database())


def on_sqlite(database: Database) -> Store:
    return Store(SqlLog(database), SqlReadPositions(database), database.close)


def postgres(request: pytest.FixtureRequest) -> Store:
    server: PostgresServer = request.getfixturevalue("postgres_server")
    database = open_postgres(PostgresSettings(server.url(), server.furnished_office()))
    return Store(PostgresLog(database), PostgresReadPositions(database), database.close)


FACTORIES = [
    pytest.param(sql_file, id="sql_file"),
    pytest.param(sql_memory, id="sql_memory"),
    pytest.param(postgres, id="postgres", marks=pytest.mark.system),
]


@pytest.fixture(params=FACTORIES)
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    open_store: Open = request.param
    opened = open_store(request)
    yield opened
    await opened.close()


@pytest.fixture
def log(store: Store) -> Log:
    return store.log


@pytest.fixture
def positions(store: Store) -> ReadPositions:
    return store.positions


def says(text: str, key: str = "", sender: UserId = KIM) -> Draft:
    return Draft(sender, SOUTH if sender == KIM else NORTH, key or text, EntryKind.TEXT, text)


def corrects(ref: int, text: str) -> Draft:
    return Draft(KIM, SOUTH, f"correct-{ref}-{text}", EntryKind.CORRECTION, text, ref)


def withdraws(ref: int) -> Draft:
    return Draft(KIM, SOUTH, f"withdraw-{ref}", EntryKind.WITHDRAWAL, ref=ref)


async def write(log: Log, channel: ChannelId, *texts: str, at: Millis = NOON) -> list[int]:
    appended = await log.append(channel, [says(text) for text in texts], at)
    return [outcome.entry.seq for outcome in appended.outcomes if isinstance(outcome, Stored)]


def texts_of(entries: Sequence[Entry]) -> list[str]:
    return [entry.draft.text for entry in entries]


class TestAppend:
    async def test_seqs_are_dense_from_one_across_appends_and_apart_for_each_channel(self, log: Log) -> None:
        assert await write(log, GENERAL, "a", "b") == [1, 2]
        assert await write(log, WEATHER, "a") == [1]
        assert await write(log, GENERAL, "c") == [3]

    async def test_an_entry_comes_back_with_everything_that_was_given(self, log: Log) -> None:
        draft = Draft(
            RI, NORTH, "k", EntryKind.REACTION, "", 7, "👍", True, (KIM, RI), Precedence.PRIORITY, '{"단계":"tendered"}'
        )
        appended = await log.append(GENERAL, [draft], NOON)
        expected = Entry(GENERAL, 1, NOON, link_of(GENESIS, GENERAL, 1, NOON, draft), draft)
        assert appended.outcomes == (Stored(expected),)
        assert await log.entry(GENERAL, 1) == expected
        assert (await log.read(GENERAL, after=0, limit=5, max_bytes=PLENTY)).entries == (expected,)

    async def test_every_link_covers_the_one_before_also_across_appends(self, log: Log) -> None:
        await write(log, GENERAL, "a", "b")
        await write(log, GENERAL, "c")
        link = GENESIS
        for entry in (await log.read(GENERAL, after=0, limit=9, max_bytes=PLENTY)).entries:
            link = link_of(link, GENERAL, entry.seq, entry.time_ms, entry.draft)
            assert entry.link == link

    async def test_a_repeat_gives_the_first_result_and_stores_nothing(self, log: Log) -> None:
        await write(log, GENERAL, "a", "b")
        again = await log.append(GENERAL, [says("b"), says("c")], Millis(NOON + 5))
        assert again.outcomes[0] == Repeated(2, NOON)
        assert isinstance(again.outcomes[1], Stored)
        assert again.outcomes[1].entry.seq == 3

    async def test_a_repeat_within_the_batch_is_a_repeat_too(self, log: Log) -> None:
        first, second = (await log.append(GENERAL, [says("a"), says("a")], NOON)).outcomes
        assert isinstance(first, Stored)
        assert second == Repeated(1, NOON)

    @pytest.mark.parametrize(
        "other",
        [
            {"text": "b"},
            {"kind": EntryKind.CORRECTION},
            {"ref": 3},
            {"reaction": "✅"},
            {"removed": True},
            {"mentions": (RI,)},
            {"delegation": NORTH},
            {"precedence": Precedence.PRIORITY},
            {"data": "{}"},
        ],
        ids="".join,
    )
    async def test_a_key_that_comes_again_with_another_body_is_a_conflict(
        self, log: Log, other: dict[str, object]
    ) -> None:
        draft = says("a", key="k")
        changed = replace(draft, **other)  # type: ignore[arg-type] # one field of each type
        await log.append(GENERAL, [draft], NOON)
        assert (await log.append(GENERAL, [changed, says("c")], NOON)).outcomes[0] == Conflicting()
        assert (await log.heads([GENERAL]))[GENERAL].seq == 2

    async def test_a_conflict_within_the_batch_is_found_against_its_first(self, log: Log) -> None:
        outcomes = (await log.append(GENERAL, [says("a", "k"), says("b", "k"), says("a", "k")], NOON)).outcomes
        assert [type(outcome) for outcome in outcomes] == [Stored, Conflicting, Repeated]

    async def test_a_key_belongs_to_one_sender_in_one_channel(self, log: Log) -> None:
        await log.append(GENERAL, [says("a", "k")], NOON)
        other_sender, other_channel = says("b", "k", RI), says("b", "k")
        assert isinstance((await log.append(GENERAL, [other_sender], NOON)).outcomes[0], Stored)
        assert isinstance((await log.append(WEATHER, [other_channel], NOON)).outcomes[0], Stored)

    async def test_appends_at_once_to_one_channel_leave_no_gap_and_no_double(self, log: Log) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(write(log, GENERAL, f"{n}a", f"{n}b")) for n in range(30)]
        given_seqs = [seq for task in tasks for seq in task.result()]
        assert sorted(given_seqs) == list(range(1, 61))
        stored = (await log.read(GENERAL, after=0, limit=99, max_bytes=PLENTY)).entries
        assert [entry.seq for entry in stored] == list(range(1, 61))

    async def test_an_append_whose_wait_is_cancelled_may_be_repeated_with_the_same_key(self, log: Log) -> None:
        append = asyncio.create_task(log.append(GENERAL, [says("a")], NOON))
        await asyncio.sleep(0)
        append.cancel()
        with pytest.raises(asyncio.CancelledError):
            await append
        (outcome,) = (await log.append(GENERAL, [says("a")], NOON)).outcomes
        assert isinstance(outcome, Stored | Repeated)
        assert (await log.heads([GENERAL]))[GENERAL].seq == 1

    async def test_a_clock_that_jumps_back_hinders_nothing(self, log: Log) -> None:
        await write(log, GENERAL, "a", "b")
        await write(log, GENERAL, "c", at=Millis(NOON - 60_000))
        await write(log, GENERAL, "d")
        page = await log.read(GENERAL, after=0, limit=9, max_bytes=PLENTY)
        assert texts_of(page.entries) == ["a", "b", "c", "d"]

    async def test_an_empty_append_stores_nothing(self, log: Log) -> None:
        assert (await log.append(GENERAL, [], NOON)).outcomes == ()
        assert (await log.heads([GENERAL]))[GENERAL].seq == 0

    async def test_every_kind_and_precedence_comes_back_as_it_went(self, log: Log) -> None:
        drafts = [
            Draft(KIM, SOUTH, f"{kind.value} {precedence.value}", kind, precedence=precedence, data='{"n":1}')
            for kind in EntryKind
            for precedence in Precedence
            if kind is not EntryKind.SUSPENSION
        ]
        await log.append(GENERAL, drafts, NOON)
        page = await log.read(GENERAL, after=0, limit=len(drafts) + 1, max_bytes=PLENTY)
        assert [entry.draft for entry in page.entries] == drafts


class TestCondition:
    async def test_an_append_on_the_expected_head_is_stored(self, log: Log) -> None:
        (first,) = (await log.append(GENERAL, [says("a")], NOON, expect_head=0)).outcomes
        (second,) = (await log.append(GENERAL, [says("b")], NOON, expect_head=1)).outcomes
        assert isinstance(first, Stored)
        assert isinstance(second, Stored)

    @pytest.mark.parametrize("expected", [0, 1, 3])
    async def test_an_append_on_another_head_stores_nothing_and_says_where_the_head_is(
        self, log: Log, expected: int
    ) -> None:
        await write(log, GENERAL, "a", "b")
        with pytest.raises(HeadMovedError) as moved:
            await log.append(GENERAL, [says("a"), says("c")], NOON, expect_head=expected)
        assert moved.value.head == 2
        assert texts_of((await log.read(GENERAL, after=0, limit=9, max_bytes=PLENTY)).entries) == ["a", "b"]

    async def test_the_head_of_another_channel_does_not_count(self, log: Log) -> None:
        await write(log, GENERAL, "a")
        await log.append(WEATHER, [says("a")], NOON, expect_head=0)
        with pytest.raises(HeadMovedError):
            await log.append(ChannelId("joint/new"), [says("a")], NOON, expect_head=1)
        assert (await log.heads([ChannelId("joint/new")]))[ChannelId("joint/new")].seq == 0

    async def test_a_batch_of_repeats_is_answered_wherever_the_head_is(self, log: Log) -> None:
        await log.append(GENERAL, [says("a"), says("b")], NOON, expect_head=0)
        again = await log.append(GENERAL, [says("b"), says("a"), says("c", key="a")], NOON, expect_head=0)
        assert again.outcomes == (Repeated(2, NOON), Repeated(1, NOON), Conflicting())

    async def test_a_repeat_of_what_is_held_is_answered_wherever_the_head_is(self, log: Log) -> None:
        await log.append(GENERAL, [SUSPENDS, says("a")], NOON, expect_head=0)
        assert (await log.append(GENERAL, [says("a")], NOON, expect_head=0)).outcomes == (Held(1, NOON),)

    async def test_of_appends_at_once_on_the_same_head_exactly_one_is_stored(self, log: Log) -> None:
        async def decide(key: str, head: int) -> int:
            """Give where the head is: 0 when it had not moved."""
            try:
                await log.append(GENERAL, [says(key)], NOON, expect_head=head)
            except HeadMovedError as moved:
                return moved.head
            return 0

        for head in range(10):
            async with asyncio.TaskGroup() as group:
                tries = [group.create_task(decide(f"{head} {n}", head)) for n in range(5)]
                others = group.create_task(write(log, WEATHER, str(head)))
            assert sorted(each.result() for each in tries) == [0] + [head + 1] * 4
            assert others.result() == [head + 1], "who shares the transaction is not concerned"
        assert (await log.heads([GENERAL]))[GENERAL].seq == 10


class TestSuspension:
    async def held(self, log: Log, channel: ChannelId = GENERAL) -> list[str]:
        return [each.draft.text for each in await log.held(channel, after=0, limit=10_000)]

    async def test_a_channel_is_suspended_from_the_suspension_to_the_resumption(self, log: Log) -> None:
        await write(log, GENERAL, "a")
        await write(log, WEATHER, "a")
        assert await log.suspended([GENERAL, WEATHER, ChannelId("joint/nothing")]) == frozenset()
        await log.append(GENERAL, [SUSPENDS], NOON)
        assert await log.suspended([GENERAL, WEATHER, ChannelId("joint/nothing")]) == {GENERAL}
        assert await log.suspended([WEATHER]) == await log.suspended([]) == frozenset()
        await log.append(GENERAL, [RESUMES], NOON)
        assert await log.suspended([GENERAL]) == frozenset()

    async def test_what_comes_meanwhile_is_held_in_order_and_is_no_entry(self, log: Log) -> None:
        await log.append(GENERAL, [says("a"), SUSPENDS, says("b")], NOON)
        appended = await log.append(GENERAL, [says("c"), says("d", sender=RI)], LATER)
        assert appended.outcomes == (Held(2, LATER), Held(3, LATER))
        assert await log.held(GENERAL, after=0, limit=9) == [
            HeldDraft(1, NOON, says("b")),
            HeldDraft(2, LATER, says("c")),
            HeldDraft(3, LATER, says("d", sender=RI)),
        ]
        assert await log.held(GENERAL, after=1, limit=1) == [HeldDraft(2, LATER, says("c"))]
        assert (await log.read(GENERAL, after=0, limit=9, max_bytes=PLENTY)).head == 2
        assert await log.search("c", [GENERAL], before_ms=None, limit=5) == ([], False)

    async def test_nothing_is_held_in_an_open_channel(self, log: Log) -> None:
        assert await log.held(GENERAL, after=0, limit=9) == []
        await log.append(GENERAL, [SUSPENDS, says("a")], NOON)
        assert await log.held(WEATHER, after=0, limit=9) == []
        await log.append(GENERAL, [RESUMES], NOON)
        assert await log.held(GENERAL, after=0, limit=9) == []

    async def test_a_held_draft_keeps_everything_that_was_given(self, log: Log) -> None:
        draft = Draft(
            RI, NORTH, "k", EntryKind.REACTION, "", 7, "👍", True, (KIM, RI), Precedence.FLASH, '{"단계":"tendered"}'
        )
        await log.append(GENERAL, [SUSPENDS, draft], NOON)
        assert [each.draft for each in await log.held(GENERAL, after=0, limit=9)] == [draft]
        await log.append(GENERAL, [RESUMES], LATER)
        entry = await log.entry(GENERAL, 3)
        assert entry is not None
        assert entry.draft == draft

    async def test_a_resumption_releases_all_of_it_once_in_order_and_at_its_own_time(self, log: Log) -> None:
        texts = [f"{number}" for number in range(1_000)]
        await log.append(GENERAL, [says("before"), SUSPENDS], NOON)
        for start in range(0, len(texts), 300):
            await write(log, GENERAL, *texts[start : start + 300])
        appended = await log.append(GENERAL, [RESUMES, says("after")], LATER)
        assert [outcome.entry.seq for outcome in appended.outcomes if isinstance(outcome, Stored)] == [3, 1_004]
        page = await log.read(GENERAL, after=0, limit=2_000, max_bytes=PLENTY)
        assert texts_of(page.entries) == ["before", "", "", *texts, "after"]
        assert {entry.time_ms for entry in page.entries[2:]} == {LATER}
        link = GENESIS
        for seq, entry in enumerate(page.entries, start=1):
            link = link_of(link, GENERAL, seq, entry.time_ms, entry.draft)
            assert (entry.seq, entry.link) == (seq, link)

    async def test_what_was_released_is_found_by_its_words(self, log: Log) -> None:
        await log.append(GENERAL, [SUSPENDS, says("로동 시간")], NOON)
        assert await log.search("노동", [GENERAL], before_ms=None, limit=5) == ([], False)
        await log.append(GENERAL, [RESUMES], LATER)
        found, _ = await log.search("노동", [GENERAL], before_ms=None, limit=5)
        assert [(entry.seq, entry.time_ms) for entry in found] == [(3, LATER)]

    async def test_life_safety_and_the_signatures_pass(self, log: Log) -> None:
        flood = replace(says("댐 방류"), precedence=Precedence.LIFE_SAFETY)
        flash = replace(says("긴급"), precedence=Precedence.FLASH)
        signed = Draft(KIM, SOUTH, "head", EntryKind.SIGNED_HEAD, data='{"seq":1}')
        appended = await log.append(GENERAL, [SUSPENDS, flash, flood, signed], NOON)
        assert [type(outcome) for outcome in appended.outcomes] == [Stored, Held, Stored, Stored]
        assert (await log.heads([GENERAL]))[GENERAL].seq == 3

    async def test_signed_heads_come_downwards_and_nothing_else_does(self, log: Log) -> None:
        assert await log.signed_heads(GENERAL, before=None, limit=5) == []
        signed = [Draft(KIM, SOUTH, f"head-{number}", EntryKind.SIGNED_HEAD, data="{}") for number in range(3)]
        await log.append(GENERAL, [signed[0], says("a"), signed[1], says("b"), signed[2], says("c")], NOON)
        await log.append(WEATHER, [replace(signed[0], key="there")], NOON)
        assert [entry.seq for entry in await log.signed_heads(GENERAL, before=None, limit=5)] == [5, 3, 1]
        assert [entry.seq for entry in await log.signed_heads(GENERAL, before=5, limit=1)] == [3]
        assert await log.signed_heads(GENERAL, before=1, limit=5) == []
        assert await log.signed_heads(GENERAL, before=None, limit=0) == []
        (newest,) = await log.signed_heads(GENERAL, before=None, limit=1)
        assert newest == await log.entry(GENERAL, 5)

    @pytest.mark.parametrize(
        "kind",
        [k for k in EntryKind if k not in (EntryKind.SIGNED_HEAD, EntryKind.SUSPENSION, EntryKind.RESUMPTION)],
    )
    async def test_every_other_kind_is_held(self, log: Log, kind: EntryKind) -> None:
        appended = await log.append(GENERAL, [SUSPENDS, Draft(KIM, SOUTH, "k", kind)], NOON)
        assert appended.outcomes[1] == Held(1, NOON)

    async def test_a_repeat_gives_the_place_while_it_is_held_and_the_seq_once_it_is_released(self, log: Log) -> None:
        await log.append(GENERAL, [says("before"), SUSPENDS, says("a"), says("b")], NOON)
        meanwhile = await log.append(GENERAL, [says("b"), says("before"), says("b")], LATER)
        assert meanwhile.outcomes == (Held(2, NOON), Repeated(1, NOON), Held(2, NOON))
        assert await self.held(log) == ["a", "b"]
        released = await log.append(GENERAL, [says("b"), RESUMES, says("b"), SUSPENDS, says("a")], LATER)
        assert released.outcomes[0] == Held(2, NOON)
        assert released.outcomes[2] == Repeated(5, LATER)
        assert released.outcomes[3] == Repeated(2, NOON), "the same suspension is not declared twice"
        assert released.outcomes[4] == Repeated(4, LATER)
        assert (await log.append(GENERAL, [says("a")], LATER)).outcomes == (Repeated(4, LATER),)

    async def test_a_held_key_that_comes_again_with_another_body_is_a_conflict(self, log: Log) -> None:
        await log.append(GENERAL, [SUSPENDS, says("a", "k")], NOON)
        for _ in range(2):
            assert (await log.append(GENERAL, [says("b", "k")], NOON)).outcomes == (Conflicting(),)
            pressing = replace(says("a", "k"), precedence=Precedence.LIFE_SAFETY)
            assert (await log.append(GENERAL, [pressing], NOON)).outcomes == (Conflicting(),)
            await log.append(GENERAL, [RESUMES], NOON)

    async def test_places_begin_anew_with_each_suspension(self, log: Log) -> None:
        await log.append(GENERAL, [SUSPENDS, says("a"), says("b"), RESUMES], NOON)
        appended = await log.append(GENERAL, [replace(SUSPENDS, key="again"), says("c")], NOON)
        assert appended.outcomes[1] == Held(1, NOON)
        assert await self.held(log) == ["c"]

    async def test_suspending_twice_and_resuming_what_is_open_are_entries_without_effect(self, log: Log) -> None:
        await log.append(GENERAL, [RESUMES, says("a"), SUSPENDS, says("b")], NOON)
        appended = await log.append(GENERAL, [replace(SUSPENDS, key="again"), says("c")], NOON)
        assert isinstance(appended.outcomes[0], Stored)
        assert appended.outcomes[1] == Held(2, NOON)
        assert await self.held(log) == ["b", "c"]
        await log.append(GENERAL, [replace(RESUMES, key="again")], NOON)
        page = await log.read(GENERAL, after=0, limit=9, max_bytes=PLENTY)
        assert texts_of(page.entries) == ["", "a", "", "", "", "b", "c"]

    async def test_a_channel_holds_what_belongs_to_it_and_no_other(self, log: Log) -> None:
        for channel in (GENERAL, WEATHER):
            await log.append(channel, [SUSPENDS, says(f"in {channel}", "k")], NOON)
        await log.append(GENERAL, [RESUMES], LATER)
        assert await self.held(log, WEATHER) == [f"in {WEATHER}"]
        assert await log.suspended([GENERAL, WEATHER]) == {WEATHER}

    async def test_a_suspension_amid_appends_at_once_loses_and_doubles_nothing(self, log: Log) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = []
            for number in range(40):
                drafts = [says(f"{number}")]
                if number in (13, 29):
                    drafts = [SUSPENDS] if number == 13 else [RESUMES]
                tasks.append(group.create_task(log.append(GENERAL, drafts, NOON)))
        (suspended,), (resumed,) = tasks[13].result().outcomes, tasks[29].result().outcomes
        assert isinstance(suspended, Stored)
        assert isinstance(resumed, Stored)
        page = await log.read(GENERAL, after=0, limit=99, max_bytes=PLENTY)
        placed = {entry.draft.key: entry.seq for entry in page.entries}
        assert sorted(placed.values()) == list(range(1, 41))
        for number, task in enumerate(tasks):
            (outcome,) = task.result().outcomes
            if isinstance(outcome, Held):
                assert placed[f"{number}"] == resumed.entry.seq + outcome.place
            else:
                assert isinstance(outcome, Stored)
                assert not suspended.entry.seq < outcome.entry.seq < resumed.entry.seq


class TestReading:
    async def test_heads_of_channels_with_and_without_entries_come_together(self, log: Log) -> None:
        await write(log, GENERAL, "a", "b")
        epoch = (await log.append(GENERAL, [], NOON)).epoch
        assert await log.heads([GENERAL, WEATHER]) == {GENERAL: Position(epoch, 2), WEATHER: Position(epoch, 0)}
        assert await log.heads([]) == {}

    async def test_a_page_of_a_channel_that_nobody_wrote_to_is_empty(self, log: Log) -> None:
        page = await log.read(GENERAL, after=0, limit=5, max_bytes=PLENTY)
        assert (page.head, page.entries) == (0, ())
        assert await log.entry(GENERAL, 1) is None

    async def test_a_page_upwards_begins_after_and_a_page_downwards_ends_before(self, log: Log) -> None:
        await write(log, GENERAL, *"abcdef")
        up = await log.read(GENERAL, after=2, limit=3, max_bytes=PLENTY)
        down = await log.read_before(GENERAL, before=5, limit=3, max_bytes=PLENTY)
        assert texts_of(up.entries) == ["c", "d", "e"]
        assert texts_of(down.entries) == ["b", "c", "d"]
        assert up.head == down.head == 6

    async def test_an_oversized_page_loses_its_far_end_but_never_becomes_empty(self, log: Log) -> None:
        await write(log, GENERAL, *(letter * 1000 for letter in "abcd"))
        room = 2 * says("a" * 1000).size_bytes
        up = await log.read(GENERAL, after=0, limit=9, max_bytes=room)
        down = await log.read_before(GENERAL, before=9, limit=9, max_bytes=room)
        assert [text[0] for text in texts_of(up.entries)] == ["a", "b"]
        assert [text[0] for text in texts_of(down.entries)] == ["c", "d"]
        assert len((await log.read(GENERAL, after=1, limit=9, max_bytes=1)).entries) == 1
        assert len((await log.read_before(GENERAL, before=3, limit=9, max_bytes=1)).entries) == 1

    async def test_a_page_sees_every_append_that_returned_before(self, log: Log) -> None:
        for number in range(20):
            await write(log, GENERAL, str(number))
            assert (await log.read(GENERAL, after=number, limit=5, max_bytes=PLENTY)).head == number + 1

    async def test_an_entry_is_withdrawn_once_a_withdrawal_of_it_is_on_the_log(self, log: Log) -> None:
        await write(log, GENERAL, "a", "b")
        await write(log, WEATHER, "a")
        await log.append(GENERAL, [withdraws(1), corrects(2, "c")], NOON)
        assert await log.withdrawn(GENERAL, 1)
        assert not await log.withdrawn(GENERAL, 2)
        assert not await log.withdrawn(WEATHER, 1)

    async def test_check_passes_and_leaves_no_trace(self, log: Log) -> None:
        before = await log.heads([GENERAL])
        await log.check()
        assert await log.heads([GENERAL]) == before


class TestSearch:
    async def found(self, log: Log, query: str, *channels: ChannelId) -> list[str]:
        entries, _ = await log.search(query, channels or (GENERAL,), before_ms=None, limit=50)
        return texts_of(entries)

    @pytest.mark.parametrize(
        ("written", "sought"),
        [
            ("로동신문 기사", "노동"),
            ("노동 시간", "로동"),
            ("리 선생", "이 선생"),
            ("이 선생", "리"),
            ("녀자 선수단", "여자"),
            ("여자 선수단", "녀자"),
            ("공동련락사무소", "연락사무소"),
            ("남북연락사무소", "련락"),
            ("렬차 시간표", "열차"),
            ("유대 강화", "뉴대"),
            ("육체로동", "노동"),
            ("비률", "비율"),
        ],
    )
    async def test_both_spellings_of_korean_meet(self, log: Log, written: str, sought: str) -> None:
        await write(log, GENERAL, written, "딴 이야기가 아닌 것")
        assert written in await self.found(log, sought)

    async def test_a_word_of_two_syllables_is_found_within_a_longer_one(self, log: Log) -> None:
        await write(log, GENERAL, "임진강 댐방류통보입니다", "방송 류감")
        assert await self.found(log, "방류") == ["임진강 댐방류통보입니다"]

    async def test_every_word_must_be_there_wherever_it_stands(self, log: Log) -> None:
        await write(log, GENERAL, "내일 회담 장소", "회담은 내일", "내일 만나요")
        assert await self.found(log, "내일 회담") == ["회담은 내일", "내일 회담 장소"]

    async def test_neighbouring_pairs_that_are_no_word_together_find_nothing(self, log: Log) -> None:
        await write(log, GENERAL, "가나 나다")
        assert await self.found(log, "가나다") == []

    async def test_case_width_and_punctuation_make_no_difference(self, log: Log) -> None:
        await write(log, GENERAL, "Meeting at ROOM-7 (Ｋａｅｓŏｎｇ)")
        for query in ("meeting", "rOOm 7", "kaesŏng", '"room"', "at*"):
            assert len(await self.found(log, query)) == 1, query

    @pytest.mark.parametrize("query", ["강", "수", "예"])
    async def test_a_single_syllable_is_found_at_the_beginning_middle_and_end(self, log: Log, query: str) -> None:
        await write(log, GENERAL, "강수예", "예강수", "수예강", "없음")
        assert len(await self.found(log, query)) == 3

    @pytest.mark.parametrize(
        "query", ["", "  ", "?!", '"', "*", "AND", "\ue0001", "NOT OR", "a" * 128, "-", "^a", "a:b"]
    )
    async def test_any_query_is_plain_words_to_the_index(self, log: Log, query: str) -> None:
        await write(log, GENERAL, "남측")
        assert await self.found(log, query) == []

    async def test_only_the_given_channels_are_searched(self, log: Log) -> None:
        await write(log, GENERAL, "회담 일반")
        await write(log, WEATHER, "회담 날씨")
        assert await self.found(log, "회담", WEATHER) == ["회담 날씨"]
        assert set(await self.found(log, "회담", WEATHER, GENERAL)) == {"회담 일반", "회담 날씨"}
        assert await log.search("회담", [], before_ms=None, limit=5) == ([], False)
        assert await self.found(log, "회담", ChannelId("joint/nothing")) == []

    async def test_what_was_withdrawn_is_not_found_in_any_version(self, log: Log) -> None:
        await write(log, GENERAL, "비밀 하나")
        await log.append(GENERAL, [corrects(1, "비밀 둘")], NOON)
        await log.append(GENERAL, [withdraws(1)], NOON)
        assert await self.found(log, "비밀") == []

    async def test_a_correction_that_comes_after_the_withdrawal_brings_nothing_back(self, log: Log) -> None:
        await write(log, GENERAL, "비밀 하나")
        await log.append(GENERAL, [withdraws(1), corrects(1, "비밀 둘")], NOON)
        assert await self.found(log, "비밀") == []

    async def test_what_was_corrected_is_found_by_its_newest_text_only(self, log: Log) -> None:
        await write(log, GENERAL, "회담은 월요일")
        await log.append(GENERAL, [corrects(1, "회담은 화요일"), corrects(1, "회담은 수요일")], NOON)
        assert await self.found(log, "회담") == ["회담은 수요일"]
        assert await self.found(log, "월요일") == []
        assert await self.found(log, "화요일") == []

    async def test_pages_of_results_go_on_with_the_last_ones_time_and_lose_nothing(self, log: Log) -> None:
        for number in range(7):
            await write(log, GENERAL, f"회담 {number}", at=Millis(NOON + number // 2))
        seen: list[str] = []
        before, more = None, True
        while more:
            entries, more = await log.search("회담", [GENERAL], before_ms=before, limit=3)
            seen += texts_of(entries)
            before = entries[-1].time_ms
        assert seen == [f"회담 {number}" for number in reversed(range(7))]


class TestReadPositions:
    async def test_a_position_rises_and_never_goes_back(self, positions: ReadPositions) -> None:
        assert await positions.move(KIM, GENERAL, 5) == 5
        assert await positions.move(KIM, GENERAL, 3) == 5
        assert await positions.move(KIM, GENERAL, 8) == 8
        assert await positions.of(KIM) == {GENERAL: 8}

    async def test_everybody_has_positions_of_their_own(self, positions: ReadPositions) -> None:
        await positions.move(KIM, GENERAL, 5)
        await positions.move(KIM, WEATHER, 2)
        await positions.move(RI, GENERAL, 1)
        assert await positions.of(KIM) == {GENERAL: 5, WEATHER: 2}
        assert await positions.of(RI) == {GENERAL: 1}
        assert await positions.of(UserId("nobody")) == {}

    async def test_a_channel_tells_of_everybody_who_ever_read_in_it(self, positions: ReadPositions) -> None:
        await positions.move(KIM, GENERAL, 5)
        await positions.move(RI, GENERAL, 7)
        await positions.move(RI, GENERAL, 2)
        await positions.move(RI, WEATHER, 9)
        assert await positions.in_channel(GENERAL) == {KIM: 5, RI: 7}
        assert await positions.in_channel(ChannelId("joint/empty")) == {}


@settings(max_examples=40)  # Each makes a database, which takes 20 ms.
@given(
    texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=60), max_size=25),
    limit=st.integers(1, 7),
    max_bytes=st.integers(1, 2_000),
)
def test_paging_either_way_gives_the_whole_log_once_and_in_order(texts: list[str], limit: int, max_bytes: int) -> None:
    async def walk() -> None:
        database = memory_database()
        log = SqlLog(database)
        for number, text in enumerate(texts):
            await log.append(GENERAL, [says(text, key=str(number))], Millis(NOON + number))
        upwards: list[str] = []
        while entries := (await log.read(GENERAL, after=len(upwards), limit=limit, max_bytes=max_bytes)).entries:
            assert len(entries) <= limit
            upwards += texts_of(entries)
        downwards: list[str] = []
        before = len(texts) + 1
        while entries := (await log.read_before(GENERAL, before=before, limit=limit, max_bytes=max_bytes)).entries:
            downwards = texts_of(entries) + downwards
            before = entries[0].seq
        assert upwards == downwards == texts
        await database.close()

    asyncio.run(walk())


class ModelLog:
    """One channel as the contract says it, in lists: what every log must equal."""

    def __init__(self) -> None:
        self.entries: list[tuple[Millis, Draft]] = []
        self.held: list[tuple[Millis, Draft]] = []
        self.is_suspended = False

    def append(self, drafts: Sequence[Draft], now_ms: Millis, expect_head: int | None) -> list[object] | None:
        """Give the outcomes, None for a head that moved."""
        names = [(draft.sender, draft.key) for _, draft in self.entries + self.held]
        is_new = any((draft.sender, draft.key) not in names for draft in drafts)
        if is_new and expect_head not in (None, len(self.entries)):
            return None
        return [self._take(draft, now_ms) for draft in drafts]

    def _take(self, draft: Draft, now_ms: Millis) -> object:
        for seq, (time_ms, known) in enumerate(self.entries, start=1):
            if (known.sender, known.key) == (draft.sender, draft.key):
                return Repeated(seq, time_ms) if known == draft else Conflicting()
        for place, (time_ms, known) in enumerate(self.held, start=1):
            if (known.sender, known.key) == (draft.sender, draft.key):
                return Held(place, time_ms) if known == draft else Conflicting()
        steps = (EntryKind.SUSPENSION, EntryKind.RESUMPTION, EntryKind.SIGNED_HEAD)
        if self.is_suspended and draft.kind not in steps and draft.precedence is not Precedence.LIFE_SAFETY:
            self.held.append((now_ms, draft))
            return Held(len(self.held), now_ms)
        self.entries.append((now_ms, draft))
        seq = len(self.entries)
        if draft.kind is EntryKind.SUSPENSION:
            self.is_suspended = True
        if draft.kind is EntryKind.RESUMPTION:
            self.is_suspended = False
            self.entries += [(now_ms, released) for _, released in self.held]
            self.held = []
        return seq, now_ms


def plainly(outcome: Outcome) -> object:
    return (outcome.entry.seq, outcome.entry.time_ms) if isinstance(outcome, Stored) else outcome


# Few keys and texts, so that repeats and conflicts are as frequent as what is new.
_ANY_DRAFT = st.builds(
    Draft,
    sender=st.sampled_from([KIM, RI]),
    delegation=st.just(SOUTH),
    key=st.sampled_from([f"k{number}" for number in range(12)]),
    kind=st.sampled_from([EntryKind.TEXT] * 5 + [EntryKind.SUSPENSION, EntryKind.RESUMPTION, EntryKind.SIGNED_HEAD]),
    text=st.sampled_from(["a", "b"]),
    precedence=st.sampled_from([Precedence.ROUTINE] * 4 + [Precedence.FLASH, Precedence.LIFE_SAFETY]),
)
_ANY_BATCHES = st.lists(st.tuples(st.lists(_ANY_DRAFT, max_size=6), st.sampled_from([None, None, 0, 1])), max_size=15)


@settings(max_examples=60)  # Each makes a database, which takes 20 ms.
@given(batches=_ANY_BATCHES)
def test_any_run_of_publishing_suspending_resuming_and_repeating_equals_the_model(
    batches: list[tuple[list[Draft], int | None]],
) -> None:
    async def run() -> None:
        database = memory_database()
        log, model = SqlLog(database), ModelLog()
        for number, (drafts, behind) in enumerate(batches):
            now_ms = Millis(NOON + number)
            expect_head = None if behind is None else len(model.entries) - behind
            expected = model.append(drafts, now_ms, expect_head)
            if expected is None:
                with pytest.raises(HeadMovedError):
                    await log.append(GENERAL, drafts, now_ms, expect_head=expect_head)
            else:
                appended = await log.append(GENERAL, drafts, now_ms, expect_head=expect_head)
                assert [plainly(outcome) for outcome in appended.outcomes] == expected
            held = await log.held(GENERAL, after=0, limit=999)
            assert [(each.time_ms, each.draft) for each in held] == model.held
            assert await log.suspended([GENERAL]) == ({GENERAL} if model.is_suspended else set())
        entries = (await log.read(GENERAL, after=0, limit=999, max_bytes=PLENTY)).entries
        assert [(entry.time_ms, entry.draft) for entry in entries] == model.entries
        await database.close()

    asyncio.run(run())
