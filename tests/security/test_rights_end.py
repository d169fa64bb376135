"""Rights that end, end at once: in the middle of a stream, of a backlog, and for whatever still holds a socket open."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from liaison.core.identifiers import ChannelId, UserId
from liaison.core.rights import Membership
from liaison.edges.api_routes import PREFIX
from liaison.protocol.names import STREAM_PATH
from tests.security.premises import PASSWORD, SIDES, Client, Premises, comparable, open_desk, open_premises

# What a second promises.
AT_ONCE_S: Final = 1.0

AFTERWARDS: Final[tuple[dict[str, Any], ...]] = (
    {"type": "subscribe", "tail": 100},
    {"type": "subscribe", "position": {"epoch": 1, "seq": 2}},
    {"type": "history"},
    {"type": "history", "after": 2},
    {"type": "publish", "key": "late", "text": "one last word"},
    {"type": "publish", "key": "mine", "text": "own words"},
    {"type": "correct", "key": "late", "seq": 1, "text": "other words"},
    {"type": "withdraw", "key": "late", "seq": 1},
    {"type": "react", "key": "late", "seq": 1, "reaction": "👍"},
    {"type": "read", "seq": 3},
    {"type": "typing"},
    {"type": "search", "query": "words"},
)


async def _say(client: Client, channel: str, key: str, text: str = "own words") -> None:
    await client.ask({"type": "publish", "channel": channel, "key": key, "text": text})


@pytest.mark.parametrize("side", SIDES)
async def test_somebody_removed_in_the_middle_of_a_stream_is_a_stranger_from_then_on(side: str, tmp_path: Path) -> None:
    async with open_premises(tmp_path) as premises:
        channel = await open_desk(premises, side)
        member = f"{side}-2"
        async with (
            premises.client(f"{side}-1") as stays,
            premises.client(member) as leaves,
            premises.http(member) as http,
            http.get(f"{STREAM_PATH}?channel={channel}") as stream,
        ):
            await leaves.ask({"type": "subscribe", "channel": channel})
            await _say(leaves, channel, "mine")
            await leaves.seen("message", key="mine")
            await premises.office.accounts.remove_member(channel, member, by="test")
            await _say(stays, channel, "secret", "what only members may read")
            await leaves.seen("channel", event="removed", channel=channel)
            await leaves.ask({"type": "ping"})
            assert "only members" not in "".join(leaves.received)
            streamed = await asyncio.wait_for(stream.read(), AT_ONCE_S)
            assert b"own words" in streamed
            assert b"only members" not in streamed
            assert b"go_away" in streamed

            for attempt in (leaves, None):
                # The same on the socket that was open, and after a reconnect with the old position.
                if attempt is not None:
                    await _is_a_stranger(attempt, channel)
                else:
                    async with premises.client(member) as again:
                        assert channel not in again.received[0]
                        await _is_a_stranger(again, channel)
            async with http.get(f"{STREAM_PATH}?channel={channel}", headers={"Last-Event-ID": "1:1"}) as refused:
                assert refused.status == 404


async def _is_a_stranger(client: Client, channel: str) -> None:
    for command in AFTERWARDS:
        real = comparable(await client.ask_raw({**command, "channel": channel}))
        assert real == comparable(await client.ask_raw({**command, "channel": f"{channel}x"})), command
        assert "no_such_channel" in real
    everywhere = await client.ask({"type": "search", "query": "words"})
    assert everywhere["messages"] == []


async def _disable(premises: Premises, user: str) -> None:
    await premises.office.accounts.set_active(user, active=False, by="test")


async def _revoke(premises: Premises, user: str) -> None:
    await premises.office.accounts.revoke_tokens(user, by="test")


async def _new_password(premises: Premises, user: str) -> None:
    await premises.office.accounts.set_password(user, "another horse battery", by="test")


async def _change_password(premises: Premises, user: str) -> None:
    actor = premises.office.authenticate(premises.secrets[user])
    await premises.office.accounts.change_password(actor, PASSWORD, "another horse battery", "test")


async def _log_out(premises: Premises, user: str) -> None:
    async with premises.http(user) as http, http.post(f"{PREFIX}/logout") as response:
        assert response.status == 200


async def _log_out_everywhere(premises: Premises, user: str) -> None:
    await premises.office.accounts.logout_everywhere(premises.office.authenticate(premises.secrets[user]))


async def _behind_the_nodes_back(premises: Premises, user: str) -> None:
    """As another process would: only the directory knows."""
    await premises.office.directory.set_active(UserId(user), active=False, actor="test")


ENDINGS: Final[tuple[Callable[[Premises, str], Awaitable[None]], ...]] = (
    _disable,
    _revoke,
    _new_password,
    _change_password,
    _log_out,
    _log_out_everywhere,
    _behind_the_nodes_back,
)


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.__name__.strip("_"))
async def test_every_socket_and_stream_of_a_sign_in_that_ends_is_closed_within_a_second_and_its_secret_is_dead(
    end: Callable[[Premises, str], Awaitable[None]], tmp_path: Path
) -> None:
    user = "south-1"
    async with (
        open_premises(tmp_path) as premises,
        premises.client(user) as first,
        premises.client(user) as second,
        premises.client("north-1") as bystander,
        premises.http(user) as http,
        http.get(f"{STREAM_PATH}?channel=joint/general") as stream,
    ):
        await first.ask({"type": "subscribe", "channel": "joint/general"})
        began = time.monotonic()
        await end(premises, user)
        async with asyncio.timeout(AT_ONCE_S):
            await first.closed.wait()
            await second.closed.wait()
            assert b'"code":4503' in await stream.read()
        assert time.monotonic() - began < AT_ONCE_S
        assert first.close_code == second.close_code == 4503
        assert first.pushes("go_away", code=4503, reconnect_after_ms=-1)
        async with http.get(f"{PREFIX}/me") as response:
            assert response.status == 401
        async with premises.socket() as socket:
            await socket.send(f'{{"type":"connect","id":1,"token":"{premises.secrets[user]}"}}')
            await socket.wait_closed()
            assert socket.close_code == 4501
        assert (await bystander.ask({"type": "ping"}))["type"] == "reply"


async def test_an_author_who_may_only_read_any_more_keeps_reading_and_changes_nothing(tmp_path: Path) -> None:
    async with open_premises(tmp_path) as premises:
        channel = await open_desk(premises, "south")
        async with premises.client("south-1") as stays, premises.client("south-2") as reader:
            await reader.ask({"type": "subscribe", "channel": channel})
            await _say(reader, channel, "mine")
            await premises.office.accounts.set_member(channel, "south-2", can_write=False, by="test")
            for command in (
                {"type": "publish", "key": "x", "text": "more"},
                {"type": "correct", "key": "x", "seq": 1, "text": "other"},
                {"type": "withdraw", "key": "x", "seq": 1},
                {"type": "react", "key": "x", "seq": 1, "reaction": "👍"},
                {"type": "typing"},
            ):
                assert '"forbidden"' in await reader.ask_raw({**command, "channel": channel})
            await _say(stays, channel, "news")
            await reader.seen("message", key="news")


@pytest.mark.parametrize("side", SIDES)
async def test_a_row_in_the_table_of_members_that_must_not_be_there_opens_nothing(side: str, tmp_path: Path) -> None:
    """Whoever writes to the database by hand makes no one a member of the other side's channel."""
    async with open_premises(tmp_path) as premises:
        channel = await open_desk(premises, side)
        intruder = f"{'north' if side == 'south' else 'south'}-1"
        async with premises.client(f"{side}-1") as first, premises.client(intruder) as client:
            office = premises.office
            await office.directory.set_membership(ChannelId(channel), UserId(intruder), Membership(), actor="x")
            await office.registry.refresh()
            await first.ask({"type": "subscribe", "channel": channel})
            await _say(first, channel, "secret")
            await first.ask({"type": "read", "channel": channel, "seq": 1})
            await first.ask({"type": "typing", "channel": channel})
            assert "no_such_channel" in await client.ask_raw({"type": "subscribe", "channel": channel})
            await client.ask({"type": "ping"})
            async with premises.client(intruder) as again:
                assert channel not in "".join(again.received)
            assert channel not in "".join(client.received)
