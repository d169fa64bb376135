"""PROTOCOL.md says what the code does: each of its tables is whole and holds nothing that doesn't exist."""

import re
import typing
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from liaison.core.chain import GENESIS, link_of
from liaison.core.entries import Draft, EntryKind
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.permissions import RULES, Action, Need
from liaison.core.presence import Cause
from liaison.core.rights import Role
from liaison.core.session import TABLE, Event, State, diagram
from liaison.edges import api_routes
from liaison.edges.api import Api
from liaison.edges.api_routes import Route
from liaison.office import office as office_module
from liaison.protocol import frames, limits
from liaison.protocol import names as wire_names
from liaison.protocol.close_codes import CloseCode, may_reconnect
from liaison.protocol.codec import WireFormat, decode_command
from liaison.protocol.commands import AnyCommand
from liaison.protocol.errors import ErrorCode
from tests.docs.markdown import ROOT, document, examples, name, names, section, table

PROTOCOL = document("PROTOCOL.md")

COMMANDS: dict[str, type[msgspec.Struct]] = {
    str(command.__struct_config__.tag): command for command in typing.get_args(frames.AnyCommand)
}
PUSHES: dict[str, type[msgspec.Struct]] = {
    str(push.__struct_config__.tag): push for push in typing.get_args(frames.AnyPush)
}
REPLIES: dict[str, type[frames.Reply]] = {
    "connect": frames.ConnectReply,
    "subscribe": frames.SubscribeReply,
    "unsubscribe": frames.Reply,
    "publish": frames.PublishReply,
    "correct": frames.PublishReply,
    "withdraw": frames.PublishReply,
    "react": frames.PublishReply,
    "read": frames.Reply,
    "typing": frames.Reply,
    "history": frames.HistoryReply,
    "search": frames.SearchReply,
    "channels": frames.ChannelsReply,
    "open_direct": frames.OpenDirectReply,
    "presence": frames.PresenceReply,
    "presence_stats": frames.PresenceStatsReply,
    "availability": frames.Reply,
    "watch_sessions": frames.SessionsReply,
    "watch_statistics": frames.StatisticsReply,
    "presence_log": frames.PresenceLogReply,
    "disconnect": frames.Reply,
    "revoke": frames.RevokeReply,
    "ping": frames.PingReply,
}
OBJECTS: dict[str, type[msgspec.Struct]] = {
    "position": frames.WirePosition,
    "attachment": frames.Attachment,
    "title": frames.Title,
    "delegation": frames.DelegationInfo,
    "person": frames.PersonInfo,
    "channel": frames.ChannelInfo,
    "presence of a user": frames.PresenceUser,
    "departure": frames.PresenceLeave,
    "presence of a side": frames.SidePresence,
    "session": frames.SessionInfo,
    "statistics of a step": frames.StatisticsStep,
    "sessions of a node": frames.NodeSessions,
    "statistics of a side": frames.SideStatistics,
    "statistics of a direction": frames.DirectionStatistics,
    "event of presence": frames.PresenceEvent,
}


def fields(kind: type[msgspec.Struct], *, without: tuple[str, ...] = ()) -> list[str]:
    """The fields of a frame as the document writes them: in their order, `?` after those that may be left out."""
    return [
        field.name + ("" if field.required else "?")
        for field in msgspec.structs.fields(kind)
        if field.name not in without
    ]


def test_each_command_has_its_row_with_every_field_of_it_and_of_its_reply() -> None:
    rows = table(section(PROTOCOL, "4.1"), "command")
    assert [name(row["command"]) for row in rows] == list(COMMANDS)
    assert list(REPLIES) == list(COMMANDS)
    for row in rows:
        command = name(row["command"])
        assert names(row["fields"]) == fields(COMMANDS[command], without=("id",)), command
        assert names(row["reply"]) == fields(REPLIES[command], without=("id",)), command


def test_every_reply_belongs_to_a_command() -> None:
    # Those of the registers stand in sections of their own.
    own = {reply for reply in frames.Reply.__subclasses__() if reply.__module__ == frames.__name__}
    assert set(REPLIES.values()) == {frames.Reply, *own}


def test_what_each_field_of_a_command_holds_is_said() -> None:
    rows = table(section(PROTOCOL, "4.2"), "field")
    said = [field for row in rows for field in names(row["field"])]
    used = {field.rstrip("?") for command in COMMANDS.values() for field in fields(command, without=("id",))}
    assert sorted(said) == sorted(used)


def test_each_push_has_its_row_with_every_field() -> None:
    rows = table(section(PROTOCOL, "4.4"), "push")
    assert {name(row["push"]): names(row["fields"]) for row in rows} == {
        push: fields(kind) for push, kind in PUSHES.items()
    }


def test_each_object_has_its_row_with_every_field() -> None:
    rows = table(section(PROTOCOL, "4.3"), "object")
    assert {row["object"]: names(row["fields"]) for row in rows} == {
        what: fields(kind) for what, kind in OBJECTS.items()
    }


def test_the_error_object_is_shown_whole() -> None:
    (shown,) = re.findall(r"`\{type: \"error\", (.*)\}`", section(PROTOCOL, "7"))
    assert shown.split(", ") == fields(frames.ErrorReply)


def test_capabilities_and_limits_that_connect_tells_are_listed() -> None:
    text = section(PROTOCOL, "4.2")
    (sentence,) = re.findall(r"`capabilities` are among (.*?)\. Both", text, re.DOTALL)
    told = [*office_module._CAPABILITIES, "limits", *office_module._CLIENT_LIMITS]
    assert names(sentence) == told


def test_each_error_has_its_row() -> None:
    rows = [
        (row["code"], name(row["name"]), row["temporary"], row["HTTP"], row["close"])
        for row in table(section(PROTOCOL, "7"), "code")
    ]
    assert rows == [
        (
            str(error.value.code),
            error.wire_name,
            "yes" if error.value.temporary else "no",
            str(error.value.http_status),
            "" if error.value.close_code is None else str(int(error.value.close_code)),
        )
        for error in ErrorCode
    ]


def test_each_close_code_has_its_row_and_its_verdict() -> None:
    rows = [(row["code"], name(row["name"]), row["reconnect"]) for row in table(section(PROTOCOL, "8"), "code")]
    assert rows == [(str(int(code)), code.name.lower(), "yes" if may_reconnect(code) else "no") for code in CloseCode]


def test_final_standard_codes_are_named() -> None:
    (listed,) = re.findall(r"standard codes ([\d, and]+) are final", section(PROTOCOL, "8").replace("\n", " "))
    assert [int(code) for code in re.findall(r"\d+", listed)] == [
        code for code in range(1000, 2000) if not may_reconnect(code)
    ]


def test_each_limit_has_its_row_with_its_value() -> None:
    rows = {name(row["limit"]): int(row["value"]) for row in table(section(PROTOCOL, "9"), "limit")}
    assert rows == {
        limit.lower(): value for limit, value in vars(limits).items() if limit.isupper() and isinstance(value, int)
    }


def test_the_state_table_is_the_one_in_the_code() -> None:
    rows = table(section(PROTOCOL, "3.3"), "state")
    documented: dict[tuple[State, Event], State | ErrorCode] = {}
    for row in rows:
        state = State[row.pop("state").upper()]
        for event, cell in row.items():
            if cell != "–":
                after = ErrorCode[name(cell).upper()] if "`" in cell else State[cell.upper()]
                documented[state, Event[event.upper()]] = after
    assert documented == TABLE


def test_the_picture_of_a_session_is_drawn_from_the_table() -> None:
    assert re.findall(r"```mermaid\n(.*?)\n```", section(PROTOCOL, "3.3"), re.DOTALL) == [diagram()]


def test_the_permission_table_is_the_one_in_the_code() -> None:
    rows = table(section(PROTOCOL, "2.4"), "action")
    needs = {"anybody": Need.NOTHING, "member": Need.MEMBER, "writer": Need.WRITER}
    documented = {
        Action[name(row["action"]).upper()]: (
            {Role(role) for role in row["roles"].split(", ")},
            needs[row["must be"]],
        )
        for row in rows
    }
    assert documented == {action: (set(rule.roles), rule.need) for action, rule in RULES.items()}


def test_each_command_stands_in_one_row_of_the_permission_table() -> None:
    rows = table(section(PROTOCOL, "2.4"), "action")
    listed = [command for row in rows for command in names(row["commands"])]
    every = {str(command.__struct_config__.tag) for command in typing.get_args(AnyCommand)}
    assert sorted(listed) == sorted(every - {"connect", "unsubscribe", "ping"})


def routes() -> list[Route]:
    # The table of routes needs nothing of the office but its registers, whose commands have a row of their own.
    office = SimpleNamespace(handlers={})
    return list(api_routes.routes(Api(cast(Any, office), cast(Any, None), cast(Any, None), cast(Any, None))))


def test_each_endpoint_has_its_row_with_every_field() -> None:
    rows = table(section(PROTOCOL, "10.1"), "method and path")
    documented = {name(row["method and path"]): names(row["body or query"]) for row in rows}
    assert documented == {
        f"{route.method} {route.path}": [*fields(route.query), *(fields(route.body) if route.body else [])]
        for route in routes()
    }


def test_names_are_those_of_the_code() -> None:
    text = section(PROTOCOL, "1")
    for value in (
        *wire_names.SUBPROTOCOLS,
        f"GET {wire_names.WEBSOCKET_PATH}",
        f"GET {wire_names.STREAM_PATH}",
        wire_names.TOKEN_PREFIX,
        wire_names.SESSION_COOKIE,
    ):
        assert f"`{value}`" in text, value


def test_roles_kinds_and_causes_are_named() -> None:
    for role in Role:
        assert f"`{role.value}`" in section(PROTOCOL, "4.3")
    for kind in EntryKind:
        assert f"`{kind.value}`" in section(PROTOCOL, "5")
    for cause in Cause:
        assert f"`{cause.value}`" in section(PROTOCOL, "6.1")


@pytest.mark.parametrize("number", ["3.3", "5.1", "5.2", "5.4", "6.1"])
def test_examples_are_frames_of_the_protocol_and_answers_fit_their_commands(number: str) -> None:
    shown = examples(section(PROTOCOL, number))
    assert shown
    sent: dict[int, str] = {}
    for example in shown:
        if example.is_sent:
            command = decode_command(example.json.encode(), WireFormat.JSON)
            sent[command.id] = str(type(command).__struct_config__.tag)
            continue
        frame = msgspec.json.decode(example.json)
        kind = REPLIES[sent[frame["id"]]] if frame["type"] == "reply" else PUSHES[frame["type"]]
        decoded = msgspec.json.decode(example.json, type=kind)
        assert set(frame) - {"type"} <= {field.name for field in msgspec.structs.fields(kind)}
        # What is left out and what isn't is as the server does it.
        assert msgspec.json.decode(msgspec.json.encode(decoded)) == frame


def test_the_worked_chain_is_what_the_code_computes() -> None:
    text = section(PROTOCOL, "5.4")
    rows = table(text, "seq")
    messages = [msgspec.json.decode(example.json, type=frames.Message) for example in examples(text)]
    assert len(rows) == len(messages) == 2
    link = GENESIS
    for row, message in zip(rows, messages, strict=True):
        packed = msgspec.msgpack.encode(
            [
                getattr(message, field)
                for field in re.findall(r"msgpack\(\[(.*?)\]\)", text, re.DOTALL)[0].replace(",", " ").split()
            ]
        )
        draft = Draft(
            UserId(message.sender),
            DelegationId(message.delegation),
            message.key,
            EntryKind(message.kind),
            text=message.text,
            ref=message.ref,
            mentions=tuple(map(UserId, message.mentions)),
        )
        link = link_of(link, ChannelId(message.channel), message.seq, Millis(message.time_ms), draft)
        assert packed.hex() == name(row["packed array (hex)"])
        assert link.hex() == name(row["link (hex)"])
        assert link == message.link


def test_every_section_that_the_code_cites_exists() -> None:
    headings = set(re.findall(r"^#+ ([\d.]+?)\.? ", PROTOCOL, re.MULTILINE))
    cited = {}
    for folder, pattern in (("server/liaison", "*.py"), ("client_js/src", "*.js*"), ("tests", "*.py")):
        for path in (ROOT / folder).rglob(pattern):
            for numbers in re.findall(r"PROTOCOL\.md (§[^)\"\n]*)", path.read_text(encoding="utf-8")):
                cited.update(dict.fromkeys(re.findall(r"§(\d+(?:\.\d+)*)", numbers), path))
    assert cited
    assert {number: path for number, path in cited.items() if number not in headings} == {}


def test_links_within_the_document_lead_somewhere() -> None:
    anchors = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", PROTOCOL, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", PROTOCOL)) <= anchors
