"""An append is one round trip where nobody else appends, and right wherever somebody does."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from liaison.adapters import postgres_known_heads
from liaison.adapters.postgres_append import Append, Committed, append_all
from liaison.adapters.postgres_engine import open_postgres
from liaison.adapters.postgres_lines import Line, PostgresSettings
from liaison.adapters.postgres_log import PostgresLog
from liaison.core.chain import GENESIS, link_of
from liaison.core.entries import Conflicting, Draft, EntryKind, Held, Repeated, Stored
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.ports.log import HeadMovedError
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.system

GENERAL, WEATHER = ChannelId("joint/general"), ChannelId("joint/weather")
KIM, SOUTH = UserId("kim"), DelegationId("south")
NOON = Millis(1_790_000_000_000)


def says(key: str, text: str = "") -> Draft:
    return Draft(KIM, SOUTH, key, EntryKind.TEXT, text or key)


class Nodes:
    """Two nodes' logs; `careful` counts the appends that took two round trips."""

    def __init__(self, settings: PostgresSettings, postgres: PostgresServer) -> None:
        self.postgres = postgres
        self.namespace = settings.namespace
        self.databases = [open_postgres(settings), open_postgres(settings)]
        self.here, self.there = (PostgresLog(database) for database in self.databases)
        self.careful = 0

    def append_all(self, line: Line, appends: Sequence[Append]) -> Committed:
        self.careful += 1
        return append_all(line, appends)

    async def know(self, *channels: ChannelId) -> None:
        """Let this node append once to each, which takes two round trips."""
        for channel in channels:
            await self.here.append(channel, [says("first")], NOON)
        self.careful = 0

    async def keys(self, channel: ChannelId = GENERAL) -> list[str]:
        """Give the channel's keys, after a look at its seqs and links."""
        page = await self.here.read(channel, after=0, limit=1000, max_bytes=1 << 24)
        link = GENESIS
        for seq, entry in enumerate(page.entries, 1):
            link = link_of(link, channel, seq, entry.time_ms, entry.draft)
            assert (entry.seq, entry.link) == (seq, link)
        return [entry.draft.key for entry in page.entries]


@pytest.fixture
async def nodes(postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Nodes]:
    nodes = Nodes(PostgresSettings(postgres_server.url(), postgres_server.furnished_office()), postgres_server)
    monkeypatch.setattr(postgres_known_heads, "append_all", nodes.append_all)
    yield nodes
    for database in nodes.databases:
        await database.close()


async def test_a_node_that_appends_alone_takes_one_round_trip(nodes: Nodes) -> None:
    await nodes.know(GENERAL, WEATHER)
    stored = await asyncio.gather(
        nodes.here.append(GENERAL, [says("a"), says("b")], NOON), nodes.here.append(WEATHER, [says("c")], NOON)
    )
    again = await nodes.here.append(GENERAL, [says("d"), says("d"), says("d", "else")], NOON)
    assert [type(outcome) for outcome in again.outcomes] == [Stored, Repeated, Conflicting]
    assert nodes.careful == 0
    assert (await nodes.keys(), await nodes.keys(WEATHER)) == (["first", "a", "b", "d"], ["first", "c"])
    assert {one.epoch for one in stored} == {(await nodes.here.heads([GENERAL]))[GENERAL].epoch}


async def test_a_repeat_of_what_is_long_on_the_log_is_found(nodes: Nodes) -> None:
    await nodes.know(GENERAL)
    await nodes.here.append(GENERAL, [says("a")], NOON)
    outcomes = (await nodes.here.append(GENERAL, [says("b"), says("a"), says("first", "else")], NOON)).outcomes
    assert [type(outcome) for outcome in outcomes] == [Stored, Repeated, Conflicting]
    assert await nodes.keys() == ["first", "a", "b"]
    await nodes.here.append(GENERAL, [says("c")], NOON)
    assert nodes.careful == 1, "a repeat says nothing against the next guess"


async def test_channels_that_others_append_to_are_not_guessed_at_until_they_are_left_alone(nodes: Nodes) -> None:
    await nodes.know(GENERAL)
    taken = []
    for append, key in (
        (nodes.there, "a"),
        (nodes.here, "b"),
        (nodes.there, "c"),
        (nodes.here, "d"),
        (nodes.here, "e"),
    ):
        before = nodes.careful
        await append.append(GENERAL, [says(key)], NOON)
        taken.append(nodes.careful - before)
    assert taken == [1, 1, 1, 1, 1], "the last of these finds that nobody came between"
    await nodes.here.append(GENERAL, [says("f")], NOON)
    assert nodes.careful == sum(taken)
    assert await nodes.keys() == ["first", "a", "b", "c", "d", "e", "f"]


async def test_of_several_channels_one_that_has_moved_stores_nothing_by_itself(nodes: Nodes) -> None:
    await nodes.know(GENERAL, WEATHER)
    await nodes.there.append(WEATHER, [says("a")], NOON)
    await asyncio.gather(nodes.here.append(GENERAL, [says("b")], NOON), nodes.here.append(WEATHER, [says("b")], NOON))
    assert (await nodes.keys(), await nodes.keys(WEATHER)) == (["first", "b"], ["first", "a", "b"])


async def test_what_comes_after_another_nodes_suspension_is_held(nodes: Nodes) -> None:
    await nodes.know(GENERAL)
    closes = Draft(KIM, SOUTH, "closes", EntryKind.SUSPENSION, "")
    await nodes.there.append(GENERAL, [closes], NOON)
    assert type((await nodes.here.append(GENERAL, [says("a")], NOON)).outcomes[0]) is Held
    assert type((await nodes.here.append(GENERAL, [says("b")], NOON)).outcomes[0]) is Held
    await nodes.here.append(GENERAL, [Draft(KIM, SOUTH, "opens", EntryKind.RESUMPTION, "")], NOON)
    await nodes.here.append(GENERAL, [says("c")], NOON)
    assert await nodes.keys() == ["first", "closes", "opens", "a", "b", "c"]


async def test_a_condition_on_the_head_is_kept(nodes: Nodes) -> None:
    await nodes.know(GENERAL)
    with pytest.raises(HeadMovedError):
        await nodes.here.append(GENERAL, [says("a")], NOON, expect_head=0)
    await nodes.here.append(GENERAL, [says("a")], NOON, expect_head=1)
    assert await nodes.keys() == ["first", "a"]


async def test_another_record_of_the_same_length_is_not_taken_for_the_known_one(nodes: Nodes) -> None:
    await nodes.know(GENERAL)
    # As a backup that was brought back under a running node would leave it.
    table = f"{nodes.namespace}.channel_head"
    nodes.postgres.execute(f"UPDATE {table} SET link = sha256('another') WHERE channel = '{GENERAL}'")
    stored = (await nodes.here.append(GENERAL, [says("a")], NOON)).outcomes[0]
    assert isinstance(stored, Stored)
    assert nodes.careful == 1
    link = nodes.postgres.execute("SELECT sha256('another')")[0][0]
    assert isinstance(link, bytes)
    assert stored.entry.link == link_of(link, GENERAL, 2, NOON, says("a"))


async def test_a_connection_that_ended_while_nothing_was_sent_makes_nothing_unknown(nodes: Nodes) -> None:
    await nodes.know(GENERAL)
    nodes.postgres.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'liaison' AND pid <> pg_backend_pid()"
    )
    await nodes.here.append(GENERAL, [says("a")], NOON)
    assert (nodes.careful, await nodes.keys()) == (1, ["first", "a"])
