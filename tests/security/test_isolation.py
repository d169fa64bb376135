"""What belongs to one side, or to two people, does not exist for anybody else. (PROTOCOL.md §2.4)

Everything here is generated from the tables of commands, endpoints and pushes: one that is added without being placed
below fails these tests.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, get_args

import aiohttp
import msgspec
import pytest

from liaison.edges.api_routes import PREFIX
from liaison.protocol import administration_frames, frames, record_frames
from liaison.protocol.commands import AnyCommand
from liaison.protocol.dispatch_frames import DispatchCommand
from liaison.protocol.duty_frames import DutyCommand
from liaison.protocol.line_check_frames import LineCheckCommand
from liaison.protocol.names import STREAM_PATH
from tests.security.premises import SIDES, Client, Premises, comparable, open_desk, open_premises, other, strangers

SECRET: Final = "대외비-tunnel-schedule"
# Written before the strangers look, so that there is a head, a count and a key to find out.
LINES: Final = 7
# test_attachments.py asks for one that is there.
HASH: Final = "ab" * 32
ATTACHMENT: Final = {"sha256": HASH, "name": "a.pdf", "media_type": "application/pdf", "size_bytes": 5}

Command = dict[str, Any]


def _about_message(type_: str, **fields: Any) -> Callable[[str], list[Command]]:
    """Give a command about a message: one that is there in the private channel, one that isn't, and the first key."""
    return lambda channel: [
        {"type": type_, "channel": channel, "key": key, "seq": seq, **fields} for seq in (1, 999) for key in ("k1", "z")
    ]


# Every command that names a channel, with every choice of its fields that could make a difference.
ABOUT_A_CHANNEL: Final[Mapping[type[frames.Command], Callable[[str], list[Command]]]] = {
    frames.Subscribe: lambda channel: [
        {"type": "subscribe", "channel": channel},
        {"type": "subscribe", "channel": channel, "tail": 100},
        {"type": "subscribe", "channel": channel, "position": {"epoch": 1, "seq": 3}},
        {"type": "subscribe", "channel": channel, "position": {"epoch": 9, "seq": 3}},
        {"type": "subscribe", "channel": channel, "position": {"epoch": 1, "seq": 9999}},
    ],
    frames.Unsubscribe: lambda channel: [{"type": "unsubscribe", "channel": channel}],
    frames.Publish: lambda channel: [
        {"type": "publish", "channel": channel, "key": "k1", "text": "is anybody there?"},
        {"type": "publish", "channel": channel, "key": "new", "text": "re", "reply_to": 1},
        {"type": "publish", "channel": channel, "key": "new", "text": "\x00"},
        {"type": "publish", "channel": channel, "key": "new", "text": "가" * 6000},
        {"type": "publish", "channel": channel, "key": "new", "text": "@", "mentions": ["south-1"]},
        {"type": "publish", "channel": channel, "key": "new", "text": "@", "mentions": ["north-1", "nobody"]},
        {"type": "publish", "channel": channel, "key": "new", "text": "a", "attachments": [ATTACHMENT]},
    ],
    frames.Correct: _about_message("correct", text="other words"),
    frames.Withdraw: _about_message("withdraw"),
    frames.React: _about_message("react", reaction="👍"),
    frames.Read: lambda channel: [{"type": "read", "channel": channel, "seq": seq} for seq in (0, 1, 9999)],
    frames.Typing: lambda channel: [{"type": "typing", "channel": channel}],
    frames.History: lambda channel: [
        {"type": "history", "channel": channel},
        {"type": "history", "channel": channel, "after": 0, "limit": 200},
        {"type": "history", "channel": channel, "before": 5},
        {"type": "history", "channel": channel, "after": 1, "before": 5},
    ],
    frames.Search: lambda channel: [
        {"type": "search", "query": "tunnel", "channel": channel},
        {"type": "search", "query": "no such word", "channel": channel, "before_ms": 1},
    ],
    administration_frames.SuspendChannel: lambda channel: [
        {"type": "suspend_channel", "channel": channel, "key": "k1", "authority": "a", "reason": "r"},
        {"type": "suspend_channel", "channel": channel, "key": "k1", "authority": "a", "reason": "\x00"},
    ],
    administration_frames.HeldMessages: lambda channel: [{"type": "held_messages", "channel": channel}],
    administration_frames.ExportChannel: lambda channel: [
        {"type": "export_channel", "channel": channel, "key": "k1", "after": after} for after in (0, 5)
    ],
    record_frames.SignHead: lambda channel: [
        {
            "type": "sign_head",
            "channel": channel,
            "fingerprint": "0" * 64,
            "epoch": 1,
            "seq": seq,
            "link": "0" * 64,
            "time_ms": 0,
            "signature": "A" * 88,
        }
        for seq in (1, 999)
    ],
    record_frames.SignedHeads: lambda channel: [
        {"type": "signed_heads", "channel": channel},
        {"type": "signed_heads", "channel": channel, "before": 5, "limit": 1},
    ],
}

# Commands that name none. Their answers must be the same to the byte before the channel is made and after.
OF_EVERYTHING: Final[Mapping[type[frames.Command], Command]] = {
    frames.Channels: {"type": "channels"},
    frames.Presence: {"type": "presence", "watch": False},
    frames.PresenceStats: {"type": "presence_stats"},
    frames.Search: {"type": "search", "query": "tunnel"},
}

# Commands that answer with nothing about channels at all; what they give is asserted by their types.
OF_NO_CHANNEL: Final[frozenset[type[frames.Command]]] = frozenset({frames.SetAvailability, frames.Ping})
# Commands of those who run the office, who see no channel: everybody else is told that they may not.
OF_OPS: Final[Mapping[type[frames.Command], Command]] = {
    frames.WatchSessions: {"type": "watch_sessions"},
    frames.WatchStatistics: {"type": "watch_statistics"},
    frames.PresenceLog: {"type": "presence_log"},
    frames.Disconnect: {"type": "disconnect", "session": "abcdefghjkmn"},
    frames.Revoke: {"type": "revoke", "user": "south-1", "reason": "to see who may"},
}
# These have tests of their own below.
TESTED_APART: Final[frozenset[type[frames.Command]]] = frozenset({frames.Connect, frames.OpenDirect})
# What each side learns of a dispatch, and when, is tested with the whole of its life in tests/office/test_dispatch*.py.
OF_DISPATCHES: Final[frozenset[type[frames.Command]]] = frozenset(get_args(DispatchCommand))

# Both sides' own business: what each may do and learns of it is tested in tests/office/test_administration.py.
OF_ADMINISTRATION: Final[frozenset[type[frames.Command]]] = frozenset(
    {
        administration_frames.Propose,
        administration_frames.ApproveProposal,
        administration_frames.RejectProposal,
        administration_frames.WithdrawProposal,
        administration_frames.Administration,
    }
)

# Both sides' own as well: tests/office/test_line_checks.py.
OF_LINE_CHECKS: Final[frozenset[type[frames.Command]]] = frozenset(get_args(LineCheckCommand))
# Public keys belong to both sides: tests/office/test_record.py.
OF_KEYS: Final[frozenset[type[frames.Command]]] = frozenset(
    {record_frames.RegisterKey, record_frames.RevokeKey, record_frames.SideKeys}
)

# Each side's own: what the other learns of it is tested in tests/office/test_duty.py.
OF_DUTY: Final[frozenset[type[frames.Command]]] = frozenset(get_args(DutyCommand))

# Pushes about a channel: those inside must have had each of them while those outside had nothing.
PUSHES_OF_A_CHANNEL: Final[frozenset[type[msgspec.Struct]]] = frozenset(
    {frames.Message, frames.TypingPush, frames.ReadPush, frames.ChannelPush, frames.Reset}
)
PUSHES_OF_NO_CHANNEL: Final[frozenset[type[msgspec.Struct]]] = frozenset(
    {frames.PresenceSnapshot, frames.PresenceDiff, frames.SessionsDiff, frames.Statistics, frames.Notice, frames.GoAway}
)

ENDPOINTS_OF_A_CHANNEL: Final[Mapping[tuple[str, str], tuple[Command | None, Sequence[str]]]] = {
    ("POST", "/channels/{channel}/messages"): ({"text": "hello", "key": "k1"}, [""]),
    ("GET", "/channels/{channel}/messages"): (None, ["", "?after=0&limit=200", "?before=5", "?after=1&before=2"]),
    ("POST", "/channels/{channel}/messages/{seq}/corrections"): ({"text": "other", "key": "k1"}, [""]),
    ("POST", "/channels/{channel}/messages/{seq}/withdrawal"): ({"key": "k1"}, [""]),
    ("POST", "/channels/{channel}/messages/{seq}/reactions"): ({"key": "k1", "reaction": "👍"}, [""]),
    ("POST", "/channels/{channel}/attachments"): ({}, ["?name=a.pdf", "?name=a.exe", "?name=%2F"]),
    ("GET", "/channels/{channel}/attachments/{sha256}"): (None, [""]),
    ("POST", "/channels/{channel}/read"): ({"seq": 3}, [""]),
    ("GET", "/search"): (None, ["?q=tunnel&channel={channel}"]),
    ("GET", "/stream"): (None, ["?channel={channel}", "?channel={channel}&tail=100"]),
}
ENDPOINTS_OF_EVERYTHING: Final = (
    ("GET", "/channels"),
    ("GET", "/presence"),
    ("GET", "/search?q=tunnel"),
    ("GET", "/me"),
    ("GET", "/sign-ins"),
)
# They change what the caller comes in with, and answer nothing about channels.
# The socket's commands are asked above; the document is the same for everybody.
ENDPOINTS_OF_NO_CHANNEL: Final = frozenset(
    {
        ("POST", "/login"),
        ("POST", "/logout"),
        ("POST", "/logout_everywhere"),
        ("POST", "/password"),
        ("GET", "/socket"),
        ("GET", "/openapi.json"),
    }
)


def test_every_command_has_its_place_in_the_matrix() -> None:
    placed = {
        *ABOUT_A_CHANNEL,
        *OF_EVERYTHING,
        *OF_NO_CHANNEL,
        *OF_OPS,
        *TESTED_APART,
        *OF_DISPATCHES,
        *OF_ADMINISTRATION,
        *OF_LINE_CHECKS,
        *OF_KEYS,
        *OF_DUTY,
    }
    assert placed == set(get_args(AnyCommand))


def test_every_command_that_names_a_channel_is_among_those_that_are_asked_about_one() -> None:
    naming = {command for command in get_args(AnyCommand) if "channel" in command.__struct_fields__}
    assert naming == set(ABOUT_A_CHANNEL)


async def test_every_endpoint_has_its_place_in_the_matrix(tmp_path: Path) -> None:
    placed = {
        *ENDPOINTS_OF_A_CHANNEL,
        *((method, path.partition("?")[0]) for method, path in ENDPOINTS_OF_EVERYTHING),
        *ENDPOINTS_OF_NO_CHANNEL,
    }
    # As the router has them, so that none is forgotten that some other table holds.
    async with open_premises(tmp_path) as premises:
        served = {
            (route.method, route.resource.canonical.removeprefix(PREFIX))
            for route in premises.server._app.router.routes()
            if route.resource is not None and route.resource.canonical.startswith(f"{PREFIX}/")
        }
    # A register's endpoints are its commands, by the same handlers: those have their place among the commands.
    registers = {("POST", f"/registers/{command.__struct_config__.tag}") for command in get_args(AnyCommand)}
    assert placed == {(method, path) for method, path in served if method != "HEAD"} - registers


def test_every_push_has_its_place_and_those_of_no_channel_can_name_none() -> None:
    assert set(get_args(frames.AnyPush)) == PUSHES_OF_A_CHANNEL | PUSHES_OF_NO_CHANNEL
    for push in PUSHES_OF_NO_CHANNEL:
        assert "channel" not in json.dumps(msgspec.json.schema(push)), push


# ------------------------------------------------------------------------------------------------------------- answers


async def _write(premises: Premises, side: str, channel: str) -> None:
    async with premises.client(f"{side}-1") as client:
        for number in range(1, LINES + 1):
            await client.ask({"type": "publish", "channel": channel, "key": f"k{number}", "text": f"{SECRET} {number}"})


async def _private_channels(premises: Premises, side: str) -> list[tuple[str, str]]:
    """Open a desk and a direct channel, and give each with the name of one that isn't there and could be."""
    desk = await open_desk(premises, side)
    async with premises.client(f"{side}-1") as client:
        reply = await client.ask({"type": "open_direct", "users": [f"{side}-2"]})
    direct = reply["channel"]["channel"]
    for channel in (desk, direct):
        await _write(premises, side, channel)
    return [(desk, f"{side}/deskx"), (direct, f"dm/{side}-1+{side}-9")]


async def _answers(premises: Premises, client: Client, command: Command) -> tuple[str, Mapping[str, int]]:
    before = premises.log.calls.copy()
    # Nobody follows anything here, so whatever is asked of the log is asked by this command.
    answer = comparable(await client.ask_raw(command))
    return answer, premises.log.calls - before


async def _socket_answers(premises: Premises, user: str, channel: str) -> list[tuple[str, Mapping[str, int]]]:
    async with premises.client(user) as client:
        return [
            await _answers(premises, client, command)
            for build in ABOUT_A_CHANNEL.values()
            for command in build(channel)
        ]


def _swapped(text: str) -> str:
    return text.replace("south", "\0").replace("north", "south").replace("\0", "north")


async def test_a_strangers_channel_is_answered_like_one_that_does_not_exist_whoever_asks_whatever(
    tmp_path: Path,
) -> None:
    transcripts: dict[str, list[str]] = {}
    for side in SIDES:
        async with open_premises(tmp_path) as premises:
            for private, missing in await _private_channels(premises, side):
                for user in strangers(side):
                    real = await _socket_answers(premises, user, private)
                    imagined = await _socket_answers(premises, user, missing)
                    assert real == imagined, (user, private)
                    assert not any(SECRET in answer for answer, _ in real)
                    # An unsubscribe is the only thing that is granted, because it grants nothing.
                    granted = [answer for answer, _ in real if '"type":"reply"' in answer]
                    assert len(granted) == 1, (user, private, granted)
                    transcripts.setdefault(side, []).extend(f"{user} {answer}" for answer, _ in real)
    assert sorted(transcripts["south"]) == sorted(map(_swapped, transcripts["north"]))


async def test_what_only_ops_may_ask_is_forbidden_to_everybody_else(tmp_path: Path) -> None:
    async with open_premises(tmp_path) as premises:
        for user in premises.secrets.keys() - {"ops"}:
            async with premises.client(user) as client:
                for command in OF_OPS.values():
                    answer = json.loads(await client.ask_raw(command))
                    assert (answer["type"], answer["name"]) == ("error", "forbidden"), (user, command)


async def test_those_inside_are_granted_what_strangers_are_refused(tmp_path: Path) -> None:
    """Without this, a server that refuses everything would pass for one that keeps secrets."""
    async with open_premises(tmp_path) as premises:
        for private, _ in await _private_channels(premises, "south"):
            answers = [answer for answer, _ in await _socket_answers(premises, "south-1", private)]
            assert not any("no_such_channel" in answer for answer in answers)
            assert any(SECRET in answer for answer in answers)


async def _http_answer(http: aiohttp.ClientSession, method: str, path: str, body: Command | None) -> tuple[int, str]:
    async with http.request(method, f"{PREFIX}{path}", json=body) as response:
        # A stream that was granted never ends; its status says enough.
        text = "" if response.content_type == "text/event-stream" else await response.text()
        return response.status, comparable(text)


async def _http_answers(premises: Premises, user: str, channel: str) -> list[tuple[int, str, Mapping[str, int]]]:
    answers: list[tuple[int, str, Mapping[str, int]]] = []
    async with premises.http(user) as http:
        for (method, path), (body, queries) in ENDPOINTS_OF_A_CHANNEL.items():
            for query in queries:
                for seq in ("1", "999") if "{seq}" in path else ("",):
                    address = (path + query).replace("{channel}", channel.replace("+", "%2B")).replace("{seq}", seq)
                    address = address.replace("{sha256}", HASH)
                    before = premises.log.calls.copy()
                    status, text = await _http_answer(http, method, address, body)
                    answers.append((status, text, premises.log.calls - before))
    return answers


@pytest.mark.parametrize("side", SIDES)
async def test_every_endpoint_answers_a_strangers_channel_like_one_that_does_not_exist(
    side: str, tmp_path: Path
) -> None:
    async with open_premises(tmp_path) as premises:
        for private, missing in await _private_channels(premises, side):
            inside = await _http_answers(premises, f"{side}-2", private)
            assert not any("no_such_channel" in text for _, text, _ in inside)
            for user in strangers(side):
                real = await _http_answers(premises, user, private)
                assert real == await _http_answers(premises, user, missing), (user, private)
                assert {status for status, _, _ in real} == {404}


async def _overview(premises: Premises, user: str) -> list[str]:
    async with premises.client(user) as client:
        connected = json.loads(client.received[0])
        for varying in ("session", "server_time_ms", "id"):
            del connected[varying]
        answers = [json.dumps(connected, sort_keys=True)]
        answers += [comparable(await client.ask_raw(command)) for command in OF_EVERYTHING.values()]
    async with premises.http(user) as http:
        answers += [str(await _http_answer(http, method, path, None)) for method, path in ENDPOINTS_OF_EVERYTHING]
    # Sockets come and go between the two looks, and presence counts its changes; who is there is what matters.
    return [_without_versions(answer) for answer in answers]


def _without_versions(answer: str) -> str:
    head, found, tail = answer.partition('"version":')
    return head + found + tail.lstrip("0123456789") if found else answer


@pytest.mark.parametrize("side", SIDES)
async def test_everything_that_is_listed_for_a_stranger_is_the_same_before_and_after_a_private_channel_is_made(
    side: str, tmp_path: Path
) -> None:
    async with open_premises(tmp_path) as premises:
        # Everybody is there all the time, so that presence shows the same people in both looks.
        async with AsyncExitStack() as everybody:
            clients = [await everybody.enter_async_context(premises.client(user)) for user in premises.secrets]
            # What several do at once is written together, a little later.
            async with asyncio.timeout(5):
                while [one["online"] for one in (await clients[0].ask({"type": "presence"}))["sides"]] != [3, 3]:
                    await asyncio.sleep(0.01)
            before = {user: await _overview(premises, user) for user in strangers(side)}
            await _private_channels(premises, side)
            after = {user: await _overview(premises, user) for user in strangers(side)}
            inside = await _overview(premises, f"{side}-2")
        for user in strangers(side):
            told = "".join(after[user])
            assert f"{side}/desk" not in told
            assert f"dm/{side}" not in told
            assert [answer for answer in after[user] if "users" not in answer] == [
                answer for answer in before[user] if "users" not in answer
            ]
        assert SECRET in "".join(inside)


async def test_a_direct_channel_is_opened_only_by_those_it_names(tmp_path: Path) -> None:
    async with open_premises(tmp_path) as premises:
        await _private_channels(premises, "south")
        async with premises.client("north-1") as client:
            # Whoever opens one is always in it, so that naming two others gives a channel of three.
            reply = await client.ask({"type": "open_direct", "users": ["south-1", "south-2"]})
            assert reply["channel"]["members"] == ["north-1", "south-1", "south-2"]
            assert reply["channel"]["head"] == 0


# -------------------------------------------------------------------------------------------------------------- pushes


async def _live_a_day(premises: Premises, side: str, channel: str, clients: tuple[Client, Client]) -> None:
    """Let those inside do everything that makes the server push something about their channel."""
    first, second = clients
    await first.ask({"type": "subscribe", "channel": channel})
    await second.ask({"type": "subscribe", "channel": channel, "position": {"epoch": 99, "seq": 5}})
    published = await first.ask({"type": "publish", "channel": channel, "key": "p1", "text": SECRET})
    seq = published["seq"]
    await first.ask({"type": "correct", "channel": channel, "key": "p2", "seq": seq, "text": f"{SECRET}!"})
    await second.ask({"type": "react", "channel": channel, "key": "p3", "seq": seq, "reaction": "👍"})
    await second.ask({"type": "typing", "channel": channel})
    await second.ask({"type": "read", "channel": channel, "seq": seq})
    await first.ask({"type": "withdraw", "channel": channel, "key": "p4", "seq": seq})
    async with premises.http(f"{side}-2") as http:
        body = {"text": SECRET, "key": "p5"}
        path = f"{PREFIX}/channels/{channel.replace('+', '%2B')}/messages"
        async with http.post(path, json=body) as response:
            assert response.status == 201
    if not channel.startswith("dm/"):
        accounts = premises.office.accounts
        await accounts.set_member(channel, f"{side}-2", can_write=False, by="test")
        await accounts.remove_member(channel, f"{side}-2", by="test")
        await accounts.set_member(channel, f"{side}-2", can_write=True, by="test")
        await second.seen("channel", event="added", channel=channel)
    await first.ask({"type": "unsubscribe", "channel": channel})


@pytest.mark.parametrize("side", SIDES)
async def test_no_push_about_a_private_channel_reaches_anybody_outside_while_those_inside_get_each_kind(
    side: str, tmp_path: Path
) -> None:
    async with open_premises(tmp_path) as premises:
        channels = [name for name, _ in await _private_channels(premises, side)]
        async with (
            premises.client(f"{side}-1") as first,
            premises.client(f"{side}-2") as second,
            premises.client(f"{other(side)}-1") as across,
            premises.client(f"{other(side)}-bot") as bot_across,
            premises.client("ops") as ops,
            premises.client(f"{side}-3") as removed,
            premises.client(f"{side}-bot") as own_bot,
            premises.http(f"{other(side)}-1") as http,
            http.get(f"{STREAM_PATH}?channel=joint/general") as stream,
        ):
            outside = [across, bot_across, ops, removed, own_bot]
            for client in outside:
                for channel in channels:
                    await client.ask_raw({"type": "subscribe", "channel": channel, "tail": 100})
                await client.ask_raw({"type": "subscribe", "channel": "joint/general"})
                await client.ask({"type": "presence"})
            await ops.ask({"type": "watch_sessions"})
            # What presence still has to say of so many coming in is said by then.
            await asyncio.sleep(0.6)
            marks = {client.user: len(client.received) for client in outside}

            for channel in channels:
                await _live_a_day(premises, side, channel, (first, second))
            for push in PUSHES_OF_A_CHANNEL:
                tag = str(push.__struct_config__.tag)
                for channel in channels if push is not frames.ChannelPush else channels[:1]:
                    assert [*first.pushes(tag, channel=channel), *second.pushes(tag, channel=channel)], (tag, channel)

            await asyncio.sleep(0.6)
            # The last thing everybody outside gets: what was on its way before it has arrived.
            await first.ask({"type": "publish", "channel": "joint/general", "key": "end", "text": "good night"})
            for client in outside:
                if client is not ops:
                    await client.seen("message", key="end")
                await client.ask({"type": "ping"})
            for client in outside:
                heard = [json.loads(payload) for payload in client.received[marks[client.user] :]]
                expected = {"reply", "sessions_diff"} if client is ops else {"reply", "message"}
                assert {frame["type"] for frame in heard} <= expected, (client.user, heard)
                assert [frame["key"] for frame in heard if frame["type"] == "message"] == ["end"] * (client is not ops)
                told = "".join(client.received)
                assert SECRET not in told
                assert not any(channel in told for channel in channels)
            streamed = b""
            while b"good night" not in streamed:
                streamed += await asyncio.wait_for(stream.content.readany(), 5)
            assert SECRET.encode() not in streamed
            assert b"desk" not in streamed
            assert streamed.count(b"\nid:") + streamed.startswith(b"id:") == 1
