"""Writes the test vectors beside it: `python -m tests.vectors.generate`. README.md says what they mean.

What a command means and how a reject is answered is stated here by hand; bytes, links and folded texts come from the
code. The output depends on nothing else, so that a test can compare it with what is committed.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from liaison.core import korean
from liaison.core.attachments import data_of
from liaison.core.chain import GENESIS, link_of
from liaison.core.entries import Draft, EntryKind, Precedence
from liaison.core.identifiers import (
    ChannelId,
    DelegationId,
    Millis,
    UserId,
    parse_channel,
    parse_delegation,
    parse_user,
)
from liaison.protocol import frames, limits
from liaison.protocol.codec import WireFormat, encode_payload
from liaison.protocol.errors import ErrorCode
from tests.vectors import administration, dispatches, duty, line_checks, signed_record

FOLDER: Final = Path(__file__).resolve().parent

# A tree of strings, numbers, lists and maps, as JSON has it.
Json = dict[str, Any]

_GENERAL: Final = "joint/general"
_NOON_MS: Final = 1_536_894_000_000
_MOST: Final = limits.MAX_SAFE_INTEGER

COMMANDS: Final[Sequence[Json]] = (
    {"type": "connect", "id": 1},
    {"type": "connect", "id": 1, "token": f"lsn_{'Nq0Y' * 10}abc", "client": "bot/1.0", "device": "당직실"},
    {"type": "subscribe", "id": 2, "channel": _GENERAL},
    {"type": "subscribe", "id": 3, "channel": "south/내부-회의", "position": {"epoch": 1, "seq": 41}, "tail": 0},
    {"type": "subscribe", "id": 4, "channel": "dm/north-1+south-1", "position": None, "tail": 100},
    {"type": "unsubscribe", "id": 5, "channel": _GENERAL},
    {"type": "publish", "id": 6, "channel": _GENERAL, "key": "k-1", "text": "안녕하십니까"},
    {
        "type": "publish",
        "id": _MOST,
        "channel": _GENERAL,
        "key": "0190a3c8-7b1e",
        "text": "댐 방류를 통보합니다.\n수문 3개 · 🌊",
        "reply_to": 17,
        "mentions": ["north-1", "south-head"],
        "precedence": "life_safety",
        "attachments": [
            {"sha256": "ab" * 32, "name": "수문 현황.pdf", "media_type": "application/pdf", "size_bytes": 51_200},
            {"sha256": "0f" * 32, "name": "지도.png", "media_type": "image/png", "size_bytes": 1},
        ],
    },
    {"type": "correct", "id": 8, "channel": _GENERAL, "key": "k-2", "seq": 17, "text": "수문 2개"},
    {"type": "withdraw", "id": 9, "channel": _GENERAL, "key": "k-3", "seq": 17},
    {"type": "react", "id": 10, "channel": _GENERAL, "key": "k-4", "seq": 17, "reaction": "👍"},
    {"type": "react", "id": 11, "channel": _GENERAL, "key": "k-5", "seq": 17, "reaction": "👍", "removed": True},
    {"type": "read", "id": 12, "channel": _GENERAL, "seq": 17},
    {"type": "typing", "id": 13, "channel": _GENERAL},
    {"type": "history", "id": 14, "channel": _GENERAL},
    {"type": "history", "id": 15, "channel": _GENERAL, "after": 0, "limit": 200},
    {"type": "history", "id": 16, "channel": _GENERAL, "before": _MOST, "limit": 1},
    {"type": "search", "id": 17, "query": "노동"},
    {"type": "search", "id": 18, "query": "로동", "channel": _GENERAL, "before_ms": _NOON_MS, "limit": 20},
    {"type": "channels", "id": 19},
    {"type": "open_direct", "id": 20, "users": ["north-1", "north-2"]},
    {"type": "presence", "id": 21},
    {"type": "presence", "id": 22, "watch": False},
    {"type": "presence_stats", "id": 23},
    {"type": "availability", "id": 24, "state": "dnd"},
    {"type": "watch_sessions", "id": 25},
    {"type": "watch_sessions", "id": 26, "watch": False},
    {"type": "watch_sessions", "id": 34, "user": "south-1"},
    {"type": "watch_statistics", "id": 28},
    {"type": "watch_statistics", "id": 29, "watch": False},
    {"type": "presence_log", "id": 30},
    {"type": "presence_log", "id": 31, "user": "south-1", "before_ms": _NOON_MS, "before": 17, "limit": 20},
    {"type": "disconnect", "id": 32, "session": "k3m9tq2xw7ab"},
    {"type": "revoke", "id": 33, "user": "north-bot", "reason": "열쇠가 유출됨"},
    {"type": "ping", "id": 27},
    *dispatches.COMMANDS,
    *administration.COMMANDS,
    *line_checks.COMMANDS,
    *duty.COMMANDS,
    *signed_record.COMMANDS,
)

_LINK: Final = bytes(range(32))
_TITLE: Final = frames.Title("전체 연락", "General")
_MESSAGE: Final = frames.Message(
    channel=_GENERAL,
    epoch=1,
    seq=42,
    time_ms=_NOON_MS,
    sender="north-3",
    delegation="north",
    key="k-42",
    kind="text",
    link=_LINK,
    text="명단을 접수하였습니다.",
)
_FULL_MESSAGE: Final = frames.Message(
    channel=_GENERAL,
    epoch=_MOST,
    seq=_MOST,
    time_ms=_NOON_MS,
    sender="south-1",
    delegation="south",
    key="k-43",
    kind="reaction",
    link=bytes(reversed(_LINK)),
    text="👩🏽‍💻\u200b\t\n",
    ref=42,
    reaction="👍🏽",
    removed=True,
    mentions=("north-1", "south-head"),
    precedence="flash",
    data='{"gates":3}',
)
_JOINT: Final = frames.ChannelInfo(_GENERAL, "joint", _TITLE, epoch=1, head=42, read_seq=0)
_DIRECT: Final = frames.ChannelInfo(
    "dm/north-1+south-1",
    "direct",
    frames.Title("", ""),
    epoch=1,
    head=3,
    read_seq=3,
    can_write=False,
    members=["north-1", "south-1"],
    suspended=True,
    is_register=True,
)
_USERS: Final = [
    frames.PresenceUser("north-1", "north", "unconfirmed"),
    frames.PresenceUser("south-1", "south", "online", "active", 2, _NOON_MS, "resumed"),
]
_SIDES: Final = [
    frames.SidePresence("south", "named", staffed=True, online=1),
    frames.SidePresence("north", "staffed", staffed=False),
]
_SESSION: Final = frames.SessionInfo(
    session="k3m9tq2xw7ab",
    user="south-1",
    delegation="south",
    role="official",
    client="web/1.0",
    device="",
    node="a",
    transport="websocket msgpack",
    address_class="private",
    since_ms=_NOON_MS,
    subscriptions=3,
    buffered_bytes=512,
    lag_messages=40,
)
_NODES: Final = [
    frames.NodeSessions("a", 1, "current"),
    frames.NodeSessions("b", 0, "asked"),
    frames.NodeSessions("c", 17, "silent", _NOON_MS),
]
_QUIET_STEP: Final = frames.StatisticsStep(
    number=1,
    time_ms=_NOON_MS,
    span_ms=5000,
    sides=[frames.SideStatistics("south", 0), frames.SideStatistics("north", 0)],
    directions=[frames.DirectionStatistics("south", "north"), frames.DirectionStatistics("north", "south")],
    sessions=0,
)
_BUSY_STEP: Final = frames.StatisticsStep(
    number=2,
    time_ms=_NOON_MS + 5002,
    span_ms=5002,
    sides=[
        frames.SideStatistics("south", 12, 40, ack_p50_us=1900, ack_p99_us=8200),
        frames.SideStatistics("north", 11),
    ],
    directions=[
        frames.DirectionStatistics("south", "north", 440, seen_p50_us=2100, seen_p99_us=9000),
        frames.DirectionStatistics("north", "south"),
    ],
    sessions=24,
    caught_up=120,
    slow_consumers=1,
    hints_missed=2,
    loop_lag_ms=3,
    buffered_bytes=65536,
    refusals={"forbidden": 2, "rate_limited": 7},
    appends={"committed": 38, "refused": 1},
    reasons=["deaf to the bus"],
)

# With each answer the command that it is to; an error may answer any.
ANSWERS: Final[Sequence[tuple[str, frames.Reply | frames.ErrorReply]]] = (
    (
        "connect",
        frames.ConnectReply(
            id=1,
            session="k3m9tq2xw7ab",
            user="south-1",
            name="남측 연락관 1",
            delegation="south",
            role="official",
            office=frames.Title("공동연락사무소", "Joint liaison office"),
            delegations=[
                frames.DelegationInfo("south", frames.Title("남측", "South side"), "#6d28d9", "Asia/Seoul"),
                frames.DelegationInfo("north", frames.Title("북측", "North side"), "#0f766e", "Asia/Pyongyang"),
            ],
            people=[frames.PersonInfo("north-1", "북측 연락관 1", "north", "official")],
            channels=[_JOINT, _DIRECT],
            server_time_ms=_NOON_MS,
            ping_interval_ms=limits.PING_INTERVAL_MS,
            pong_timeout_ms=limits.PONG_TIMEOUT_MS,
            limits={"max_text_bytes": limits.MAX_TEXT_BYTES},
            capabilities=["corrections"],
        ),
    ),
    ("subscribe", frames.SubscribeReply(id=2, channel=_GENERAL, epoch=1, head=42, from_seq=41)),
    (
        "subscribe",
        frames.SubscribeReply(
            id=2,
            channel=_GENERAL,
            epoch=1,
            head=42,
            from_seq=41,
            reads={"south-1": 42, "south-2": 7},
            side_reads={"north": 40},
        ),
    ),
    ("unsubscribe", frames.Reply(id=5)),
    ("publish", frames.PublishReply(id=6, seq=42, epoch=1, time_ms=_NOON_MS, duplicate=False)),
    ("publish", frames.PublishReply(id=6, seq=0, epoch=1, time_ms=_NOON_MS, held=True, duplicate=False)),
    ("correct", frames.PublishReply(id=8, seq=43, epoch=1, time_ms=_NOON_MS, duplicate=True)),
    ("withdraw", frames.PublishReply(id=9, seq=44, epoch=1, time_ms=_NOON_MS, duplicate=False)),
    ("react", frames.PublishReply(id=10, seq=45, epoch=1, time_ms=_NOON_MS, duplicate=False)),
    ("read", frames.Reply(id=12)),
    ("typing", frames.Reply(id=13)),
    ("history", frames.HistoryReply(id=14, channel=_GENERAL, epoch=1, head=42, messages=[_MESSAGE, _FULL_MESSAGE])),
    ("history", frames.HistoryReply(id=15, channel=_GENERAL, epoch=1, head=0, messages=[])),
    ("search", frames.SearchReply(id=17, messages=[_MESSAGE], more=True)),
    ("channels", frames.ChannelsReply(id=19, channels=[_JOINT])),
    ("open_direct", frames.OpenDirectReply(id=20, channel=_DIRECT)),
    ("presence", frames.PresenceReply(id=21, epoch="5d1c9e0b7a34f682", version=12, users=_USERS, sides=_SIDES)),
    (
        "presence",
        frames.PresenceReply(id=22, epoch="5d1c9e0b7a34f682", version=0, users=[], sides=[], stale_since_ms=_NOON_MS),
    ),
    ("presence_stats", frames.PresenceStatsReply(id=23, sides=_SIDES)),
    ("availability", frames.Reply(id=24)),
    ("watch_sessions", frames.SessionsReply(id=25, version=7, sessions=[_SESSION], nodes=_NODES)),
    ("watch_statistics", frames.StatisticsReply(id=28, node="a", step_ms=5000, steps=[_QUIET_STEP, _BUSY_STEP])),
    (
        "watch_statistics",
        frames.StatisticsReply(
            id=28, node="a", step_ms=5000, steps=[_BUSY_STEP], others=[frames.NodeStatistics("b", [_QUIET_STEP])]
        ),
    ),
    (
        "presence_log",
        frames.PresenceLogReply(
            id=30,
            node="a",
            since_ms=_NOON_MS - 1000,
            events=[
                frames.PresenceEvent(18, _NOON_MS + 10_000, "south-1", "south", "offline", "no pong"),
                frames.PresenceEvent(17, _NOON_MS, "south-1", "south", "unconfirmed", "no pong"),
            ],
            more=True,
        ),
    ),
    ("presence_log", frames.PresenceLogReply(id=31, node="a", since_ms=_NOON_MS, events=[], more=False)),
    ("disconnect", frames.Reply(id=32)),
    ("revoke", frames.RevokeReply(id=33, ended=2)),
    ("ping", frames.PingReply(id=27, time_ms=_NOON_MS)),
    *dispatches.ANSWERS,
    *administration.ANSWERS,
    *line_checks.ANSWERS,
    *duty.ANSWERS,
    *signed_record.ANSWERS,
    ("", frames.ErrorReply(0, 100, "malformed", "the frame is no map", temporary=False, ref="k3m9tq2x")),
    (
        "",
        frames.ErrorReply(6, 400, "rate_limited", "slow down", temporary=True, ref="k3m9tq2y", retry_after_ms=250),
    ),
)

PUSHES: Final[Sequence[frames.AnyPush]] = (
    _MESSAGE,
    _FULL_MESSAGE,
    frames.PresenceSnapshot("5d1c9e0b7a34f682", 12, _USERS, _SIDES, stale_since_ms=_NOON_MS),
    frames.PresenceDiff(
        "5d1c9e0b7a34f682", 12, 13, _USERS, [frames.PresenceLeave("north-2", "north", "no pong", _NOON_MS)], _SIDES
    ),
    frames.TypingPush(_GENERAL, "south-1"),
    frames.ReadPush(_GENERAL, "south", 42, "south-1"),
    frames.ReadPush(_GENERAL, "north", 41),
    frames.ChannelPush("added", _GENERAL, _JOINT),
    frames.ChannelPush("removed", "north/desk"),
    frames.SessionsDiff(7, 8, [_SESSION], ["c9d8e7f6g5h4"]),
    frames.SessionsDiff(8, 9, [], [], _NODES),
    frames.Statistics("a", _BUSY_STEP),
    frames.Notice("alarm", "desk_unstaffed", frames.Title("당직자가 없습니다", "The desk is unstaffed")),
    frames.Reset(_GENERAL, 2, 0),
    frames.GoAway(1012, "restart", 1500),
    frames.GoAway(4503, "revoked", -1),
)

_PING: Final[Json] = {"type": "ping", "id": 7}
_PUBLISH: Final[Json] = {"type": "publish", "id": 7, "channel": _GENERAL, "key": "k", "text": "x"}
_MAP: Final[Json] = {"sha256": "0f" * 32, "name": "m.png", "media_type": "image/png", "size_bytes": 1}
_READ: Final[Json] = {"type": "read", "id": 7, "channel": _GENERAL, "seq": 1}

# What is a map with an id and a type, but no command as it should be: the same in both formats.
BAD_COMMANDS: Final[Sequence[tuple[str, Json, str]]] = (
    ("a command that doesn't exist", {"type": "shout", "id": 7}, "unknown_command"),
    ("a command in capitals", {"type": "PING", "id": 7}, "unknown_command"),
    ("an empty type", {"type": "", "id": 7}, "unknown_command"),
    (
        "a push as a command",
        {"type": "go_away", "id": 7, "code": 1, "reason": "", "reconnect_after_ms": 0},
        "unknown_command",
    ),
    ("an unknown field", {**_PING, "colour": "red"}, "invalid"),
    (
        "an unknown field in a position",
        {"type": "subscribe", "id": 7, "channel": _GENERAL, "position": {"epoch": 1, "seq": 1, "x": 1}},
        "invalid",
    ),
    ("a missing field", {"type": "typing", "id": 7}, "invalid"),
    ("a number for a text", {**_PUBLISH, "text": 5}, "invalid"),
    ("null for a text", {**_PUBLISH, "text": None}, "invalid"),
    ("a text for a number", {**_READ, "seq": "1"}, "invalid"),
    ("a fraction for a seq", {**_READ, "seq": 1.5}, "invalid"),
    ("true for a seq", {**_READ, "seq": True}, "invalid"),
    ("a negative seq", {**_READ, "seq": -1}, "invalid"),
    ("a seq of 2^53", {**_READ, "seq": 2**53}, "invalid"),
    ("a seq of 2^64-1", {**_READ, "seq": 2**64 - 1}, "invalid"),
    ("a number for a flag", {"type": "presence", "id": 7, "watch": 1}, "invalid"),
    ("a map for a list", {**_PUBLISH, "mentions": {}}, "invalid"),
    ("a list for a map", {"type": "subscribe", "id": 7, "channel": _GENERAL, "position": [1, 1]}, "invalid"),
    ("an empty key", {**_PUBLISH, "key": ""}, "invalid"),
    ("a key that is too long", {**_PUBLISH, "key": "k" * (limits.MAX_KEY_CHARS + 1)}, "invalid"),
    ("an empty text", {**_PUBLISH, "text": ""}, "invalid"),
    ("a channel that is too long", {**_READ, "channel": "c" * (limits.MAX_CHANNEL_CHARS + 1)}, "invalid"),
    ("too many mentions", {**_PUBLISH, "mentions": ["u"] * (limits.MAX_MENTIONS + 1)}, "invalid"),
    ("a precedence that doesn't exist", {**_PUBLISH, "precedence": "urgent"}, "invalid"),
    ("an attachment without its hash", {**_PUBLISH, "attachments": [{**_MAP, "sha256": ""}]}, "invalid"),
    ("an attachment by a hash in capitals", {**_PUBLISH, "attachments": [{**_MAP, "sha256": "AB" * 32}]}, "invalid"),
    ("an attachment of nothing", {**_PUBLISH, "attachments": [{**_MAP, "size_bytes": 0}]}, "invalid"),
    ("an attachment with more than its fields", {**_PUBLISH, "attachments": [{**_MAP, "url": "x"}]}, "invalid"),
    ("too many attachments", {**_PUBLISH, "attachments": [_MAP] * (limits.MAX_ATTACHMENTS + 1)}, "invalid"),
    ("an availability that doesn't exist", {"type": "availability", "id": 7, "state": "asleep"}, "invalid"),
    ("a page of nothing", {"type": "history", "id": 7, "channel": _GENERAL, "limit": 0}, "invalid"),
    (
        "a page that is too long",
        {"type": "history", "id": 7, "channel": _GENERAL, "limit": limits.MAX_PAGE_MESSAGES + 1},
        "invalid",
    ),
    (
        "a tail that is too long",
        {"type": "subscribe", "id": 7, "channel": _GENERAL, "tail": limits.MAX_TAIL_MESSAGES + 1},
        "invalid",
    ),
    ("nobody to write to", {"type": "open_direct", "id": 7, "users": []}, "invalid"),
    ("a token that is too long", {"type": "connect", "id": 7, "token": "t" * (limits.MAX_TOKEN_CHARS + 1)}, "invalid"),
)

# What has no id or type that could be used.
BAD_FRAMES: Final[Sequence[tuple[str, object]]] = (
    ("no id", {"type": "ping"}),
    ("no type", {"id": 7}),
    ("an id of 0", {"type": "ping", "id": 0}),
    ("a negative id", {"type": "ping", "id": -1}),
    ("an id of 2^53", {"type": "ping", "id": 2**53}),
    ("an id that is a text", {"type": "ping", "id": "7"}),
    ("an id that is a fraction", {"type": "ping", "id": 7.5}),
    ("an id that is true", {"type": "ping", "id": True}),
    ("a type that is a number", {"type": 7, "id": 7}),
    ("an empty map", {}),
    ("a list", [{"type": "ping", "id": 7}]),
    ("a text", "ping"),
    ("a number", 7),
    ("null", None),
)

# Bytes that are nothing in their format. Each is (before, unit, times, after).
BAD_BYTES: Final[Sequence[tuple[str, str, tuple[bytes, bytes, int, bytes]]]] = (
    ("nothing", "json", (b"", b"", 0, b"")),
    ("half a frame", "json", (b'{"type":"ping","id":', b"", 0, b"")),
    ("something behind the frame", "json", (b'{"type":"ping","id":7}', b"", 0, b"x")),
    ("a type that is not UTF-8", "json", (b'{"type":"', b"\xff", 1, b'","id":7}')),
    ("half a surrogate pair", "json", (b'{"type":"ping","id":7,"x":"', b"\\ud800", 1, b'"}')),
    ("lists in lists", "json", (b"", b"[", 65_536, b"")),
    ("maps in maps", "json", (b"", b'{"a":', 13_107, b"")),
    ("lists in a field that doesn't exist", "json", (b'{"type":"ping","id":7,"x":', b"[", 60_000, b"")),
    ("many empty lists", "json", (b"[", b"[],", 21_844, b"[]]")),
    ("nothing", "msgpack", (b"", b"", 0, b"")),
    ("half a frame", "msgpack", (b"\x82\xa4type\xa4ping\xa2id", b"", 0, b"")),
    ("something behind the frame", "msgpack", (b"\x82\xa4type\xa4ping\xa2id\x07", b"", 0, b"\x00")),
    ("a byte that means nothing", "msgpack", (b"\xc1", b"", 0, b"")),
    ("a map that says it is huge", "msgpack", (b"\xdf\xff\xff\xff\xff", b"", 0, b"")),
    ("a text that says it is huge", "msgpack", (b"\x82\xa4type\xdb\xff\xff\xff\xffping", b"", 0, b"")),
    ("an extension", "msgpack", (b"\xd4\x01\x00", b"", 0, b"")),
    ("a type that is not UTF-8", "msgpack", (b"\x82\xa4type\xa1", b"\xff", 1, b"\xa2id\x07")),
    ("lists in lists", "msgpack", (b"", b"\x91", 65_536, b"")),
    ("maps in maps", "msgpack", (b"", b"\x81\xa1a", 21_845, b"")),
    ("many empty lists", "msgpack", (b"\xdc\xff\xf0", b"\x90", 65_520, b"")),
)

# Where id and type can be read, only the command is wrong. (A JSON socket ends with 1007 before it comes to that.)
BAD_TEXTS: Final[Sequence[tuple[str, str, bytes]]] = (
    ("a field that is not UTF-8", "json", b'{"type":"typing","id":7,"channel":"\xff"}'),
    ("a field's name that is not UTF-8", "json", b'{"type":"ping","id":7,"\xff":1}'),
    ("a field that is not UTF-8", "msgpack", b"\x83\xa4type\xa6typing\xa2id\x07\xa7channel\xa1\xff"),
    ("a field's name that is not UTF-8", "msgpack", b"\x83\xa4type\xa4ping\xa2id\x07\xa1\xff\x01"),
)

USERS: Final = ("south-1", "a", "0", "a.b_c-d", "x" * 32)
NOT_USERS: Final = ("", "x" * 33, "-a", ".a", "_a", "South-1", "김", "a b", "a+b", "a/b", "a\n", "ａ")
DELEGATIONS: Final = ("south", "north", "s", "side2", "d" * 16)
NOT_DELEGATIONS: Final = ("", "joint", "dm", "d" * 17, "2nd", "South", "south-1", "남측")
CHANNELS: Final = (
    ("joint/general", "joint"),
    ("joint/일반", "joint"),
    ("south/내부-회의", "side"),
    ("north/로동_1", "side"),
    ("joint/" + "x" * 64, "joint"),
    ("dm/north-1+south-1", "direct"),
    ("dm/" + "+".join(f"u{n}" for n in range(8)), "direct"),
)
NOT_CHANNELS: Final = (
    "",
    "joint",
    "joint/",
    "/general",
    "joint/a/b",
    "joint/a+b",
    "joint/General",
    "joint/ general",
    "joint/general\n",
    "joint/.hidden",
    "joint/" + "x" * 65,
    "joint/\u1112\u1161\u11ab",
    "joint/\u3164",
    "joint/a\u200bb",
    "Joint/general",
    "so-uth/x",
    "dm/",
    "dm/south-1",
    "dm/south-1+north-1",
    "dm/a+a",
    "dm/a+",
    "dm/" + "+".join(f"u{n}" for n in range(9)),
)

FOLDED: Final = (
    ("노동", "로동"),
    ("이선생", "리선생"),
    ("여자", "녀자"),
    ("연락", "련락"),
    ("내일", "래일"),
    ("육체노동", "육체로동"),
    ("비율", "비률"),
    ("GENERAL", "general"),
    ("ＡＢＣ１２３", "abc123"),
    ("한글", "\u1112\u1161\u11ab\u1100\u1173\u11af"),
    ("STRASSE", "straße"),
)
NOT_FOLDED: Final = (("남측", "북측"), ("노동", "노란"), ("회의", "회담"), ("가", "나"))


def _hex(data: bytes) -> str:
    return data.hex()


def _payload(before: bytes, unit: bytes = b"", times: int = 0, after: bytes = b"") -> Json:
    """Short ones are whole; a bomb is described, so that it needn't be kept."""
    if len(unit) * times <= 4096:
        return {"hex": _hex(before + unit * times + after)}
    return {"repeat": {"before": _hex(before), "unit": _hex(unit), "times": times, "after": _hex(after)}}


def commands() -> list[Json]:
    """Commands as a client sends them."""
    return [
        {"json": msgspec.json.encode(command).decode(), "msgpack": _hex(msgspec.msgpack.encode(command))}
        for command in COMMANDS
    ]


def _frame(frame: frames.Reply | frames.ErrorReply | frames.AnyPush) -> Json:
    return {
        "json": encode_payload(frame, WireFormat.JSON).decode(),
        "msgpack": _hex(encode_payload(frame, WireFormat.MSGPACK)),
    }


def answers() -> list[Json]:
    """Replies and errors as the server sends them."""
    return [({"to": command} if command else {}) | _frame(answer) for command, answer in ANSWERS]


def pushes() -> list[Json]:
    """Pushes as the server sends them."""
    return [_frame(push) for push in PUSHES]


def rejects() -> Iterator[Json]:
    """Frames that the server refuses, with the error that answers them."""
    encoders: dict[str, Callable[[object], bytes]] = {"json": msgspec.json.encode, "msgpack": msgspec.msgpack.encode}
    for form, encode in encoders.items():
        for what, command, error in BAD_COMMANDS:
            yield _reject(what, form, _payload(encode(command)), error, 7)
        for what, value in BAD_FRAMES:
            yield _reject(what, form, _payload(encode(value)), "malformed", 0)
    for what, form, parts in BAD_BYTES:
        yield _reject(what, form, _payload(*parts), "malformed", 0)
    for what, form, payload in BAD_TEXTS:
        yield _reject(what, form, _payload(payload), "invalid", 7)


def _reject(what: str, form: str, payload: Json, error: str, command_id: int) -> Json:
    ends = ErrorCode[error.upper()].value.close_code is not None
    return {"what": what, "format": form, "payload": payload, "error": error, "id": command_id, "ends": ends}


def chain() -> list[Json]:
    """Entries of one channel with the bytes that are hashed and the links."""
    people = {"south": UserId("south-1"), "north": UserId("north-1")}

    def draft(side: str, key: str, kind: EntryKind, **more: Any) -> Draft:
        return Draft(people[side], DelegationId(side), key, kind, **more)

    drafts = (
        draft("south", "k-1", EntryKind.TEXT, text="안녕하십니까"),
        draft("north", "a7", EntryKind.TEXT, text="반갑습니다 👋\n잘 부탁합니다", ref=1, mentions=(UserId("south-1"),)),
        draft("north", "a8", EntryKind.CORRECTION, text="반갑습니다", ref=2),
        draft("south", "k-2", EntryKind.REACTION, ref=2, reaction="👍"),
        draft("south", "k-3", EntryKind.REACTION, ref=2, reaction="👍", removed=True),
        draft("north", "a9", EntryKind.WITHDRAWAL, ref=2),
        draft("south", "k" * 64, EntryKind.TEXT, text="가" * 5461, precedence=Precedence.FLASH),
        draft("north", "b1", EntryKind.DISPATCH, data='{"number":"1"}', precedence=Precedence.LIFE_SAFETY),
        draft("south", "k-4", EntryKind.TEXT, text="지도", data=data_of([frames.Attachment(**_MAP)])),
    )
    link, entries = GENESIS, []
    for seq, each in enumerate(drafts, 1):
        time_ms = Millis(_NOON_MS + 1500 * seq)
        link = link_of(link, ChannelId(_GENERAL), seq, time_ms, each)
        entries.append(
            {
                "channel": _GENERAL,
                "seq": seq,
                "time_ms": time_ms,
                "sender": each.sender,
                "delegation": each.delegation,
                "key": each.key,
                "kind": each.kind.value,
                "text": each.text,
                "ref": each.ref,
                "reaction": each.reaction,
                "removed": each.removed,
                "mentions": list(each.mentions),
                "precedence": each.precedence.value,
                "data": each.data,
                "link": _hex(link),
            }
        )
    return entries


def identifiers() -> Json:
    """Names that are right and names that are wrong."""
    right = {"user": USERS, "delegation": DELEGATIONS, "channel": tuple(channel for channel, _ in CHANNELS)}
    wrong = {"user": NOT_USERS, "delegation": NOT_DELEGATIONS, "channel": NOT_CHANNELS}
    parse: Mapping[str, Callable[[str], str]] = {
        "user": parse_user,
        "delegation": parse_delegation,
        "channel": parse_channel,
    }
    for what, texts in right.items():
        assert [parse[what](text) for text in texts] == list(texts)
    return {
        "valid": {what: list(texts) for what, texts in right.items()},
        "invalid": {what: list(texts) for what, texts in wrong.items()},
        "kinds": dict(CHANNELS),
    }


def search() -> Json:
    """Texts that search takes for the same, with their folded form, and texts that it tells apart."""
    same = [{"texts": list(texts), "folded": korean.fold(texts[0])} for texts in FOLDED]
    return {"same": same, "different": [list(texts) for texts in NOT_FOLDED]}


def contents() -> dict[str, str]:
    """Give every file's name and text."""
    files: dict[str, object] = {
        "commands.json": commands(),
        "answers.json": answers(),
        "pushes.json": pushes(),
        "rejects.json": list(rejects()),
        "chain.json": chain(),
        "identifiers.json": identifiers(),
        "search.json": search(),
        "signed.json": signed_record.statements(),
    }
    return {name: json.dumps(value, ensure_ascii=True, indent=1) + "\n" for name, value in files.items()}


if __name__ == "__main__":
    for file_name, text in contents().items():
        (FOLDER / file_name).write_text(text, encoding="utf-8")
