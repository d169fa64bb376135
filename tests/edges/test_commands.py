"""Every command of the protocol over the wire, by people who are at different workers of one port.

What each command does in all its cases is in tests/office; here each is given once, and whoever else is to hear of it
does, wherever they are.
"""

import asyncio
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any, Final, get_args

import aiohttp
import pytest

from liaison.protocol import frames
from liaison.protocol.administration_frames import AdministrationCommand
from liaison.protocol.close_codes import CloseCode
from liaison.protocol.dispatch_frames import DispatchCommand
from liaison.protocol.duty_frames import DutyCommand
from liaison.protocol.line_check_frames import LineCheckCommand
from liaison.protocol.record_frames import RecordCommand
from tests.edges.conftest import Node, Site, appoint
from tests.edges.seats import Room, Seat
from tests.side_signer import SideSigner

_PATIENCE_S: Final = 10
_DAY_MS: Final = 24 * 3600 * 1000
_LETTER: Final = {
    "subject": "댐 방류 통보",
    "body": "수문 3개를 엽니다.",
    "signatory": "연락대표",
    "rank": "서기관",
    "addressee": "상대측 연락대표",
    "precedence": "flash",
    "items": [{"kind": "figure", "label": "수문", "value": "3"}],
}


@pytest.fixture
async def room(site: Site, http: aiohttp.ClientSession) -> AsyncIterator[Room]:
    if isinstance(site, Node):
        site.tokens |= await appoint(site.office.directory)
    async with AsyncExitStack() as stack:
        yield Room(site, http, stack)


@pytest.fixture
async def registry_room(sites_of_workers: Callable[[], Site]) -> AsyncIterator[Room]:
    """A room at four workers: the one node of these tests has no registers."""
    site = sites_of_workers()
    async with AsyncExitStack() as stack:
        one_each = aiohttp.TCPConnector(force_close=True)
        http = await stack.enter_async_context(aiohttp.ClientSession(site.url, connector=one_each))
        yield Room(site, http, stack)


def _commands_of(union: Any) -> set[str]:
    return {str(kind.__struct_config__.tag) for kind in get_args(union)}


async def test_every_command_is_answered_and_told_to_everybody_it_concerns(room: Room) -> None:
    channel = {"channel": room.site.channel}
    south, north = await room.seat("south-clerk"), await room.seat("north-clerk")
    colleague, again = await room.seat("south-head"), await room.seat("south-clerk")
    for seat in (south, north, colleague):
        await seat.ask("subscribe", **channel)

    said = {"key": "k1", "text": "수문 3개", **channel}
    assert (await south.ask("publish", **said))["seq"] == 1
    repeated = await again.ask("publish", **said)
    assert (repeated["seq"], repeated["duplicate"]) == (1, True)
    await south.ask("correct", key="k2", seq=1, text="수문 2개", **channel)
    await north.ask("react", key="k3", seq=1, reaction="👍", **channel)
    await south.ask("withdraw", key="k4", seq=1, **channel)
    for seat in (south, north):
        for seq, kind in enumerate(("text", "correction", "reaction", "withdrawal"), 1):
            await seat.told("message", seq=seq, kind=kind, **channel)
    page = await again.ask("history", **channel)
    assert [message["seq"] for message in page["messages"]] == [1, 2, 3, 4]
    await south.ask("publish", key="k5", text="댐 방류", **channel)
    await north.told("message", seq=5, **channel)
    assert [message["seq"] for message in (await north.ask("search", query="방류", **channel))["messages"]] == [5]

    await north.ask("read", seq=5, **channel)
    await south.told("read", delegation="north", seq=5, **channel)
    await south.ask("typing", **channel)
    await colleague.told("typing", user="south-clerk", **channel)
    heads = {one["channel"]: one["head"] for one in (await north.ask("channels"))["channels"]}
    assert heads[room.site.channel] == 5

    await south.ask("presence", watch=True)
    await colleague.ask("availability", state="dnd")
    await _shown(south, "south-head", "dnd")
    assert (await north.ask("presence_stats"))["type"] == "reply"

    name = (await south.ask("open_direct", users=["north-clerk"]))["channel"]["channel"]
    # Another worker hears of it a little later.
    await north.told("channel", event="added")
    await north.ask("subscribe", channel=name)
    await south.ask("publish", channel=name, key="d1", text="둘이서")
    await north.told("message", channel=name, text="둘이서")

    await north.ask("unsubscribe", **channel)
    await south.ask("publish", key="k6", text="그 뒤", **channel)
    await colleague.told("message", seq=6, **channel)
    assert (await north.ask("ping"))["type"] == "reply"
    assert not [frame for frame in north.unasked if frame.get("seq") == 6]

    await _operators(room, north)
    assert _commands_of(frames.AnyCommand) == room.asked


async def _shown(watcher: Seat, user: str, availability: str) -> None:
    while True:
        diff = await watcher.told("presence_diff")
        if any(one["user"] == user and one["availability"] == availability for one in diff["joins"]):
            return


async def _operators(room: Room, north: Seat) -> None:
    ops, guest = await room.seat("ops"), await room.seat("north-guest")
    await ops.ask("watch_statistics")
    await ops.ask("presence_log")

    async def session_of(user: str) -> str:
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                table = await ops.ask("watch_sessions", watch=False, user=user)
                for one in table["sessions"]:
                    if one["user"] == user:
                        return str(one["session"])
                await asyncio.sleep(0.05)

    await ops.ask("disconnect", session=await session_of("north-clerk"))
    assert await north.closed() == CloseCode.DISCONNECTED
    await ops.ask("revoke", user="north-guest", reason="시험")
    assert await guest.closed() == CloseCode.REVOKED


# ----------------------------------------------------------------------------------------------------------- registers


@pytest.mark.system
async def test_every_command_of_the_registers_is_carried_out_by_any_worker_after_any_other(registry_room: Room) -> None:
    room = registry_room
    desks = {
        f"{side}-{who}": await room.seat(f"{side}-{who}") for side in ("south", "north") for who in ("clerk", "head")
    }
    await _dispatches(desks)
    await _line_checks(desks)
    await _duty(desks, await room.seat("ops"))
    await _record(desks, room.site.channel)
    await _administration(desks, room.site.channel)
    registers = (AdministrationCommand, DispatchCommand, DutyCommand, LineCheckCommand, RecordCommand)
    assert set().union(*map(_commands_of, registers)) == room.asked - {"connect", "publish", "history"}


class _Keys:
    """Names that no other request of a run has."""

    def __init__(self) -> None:
        self._last = 0

    def __call__(self) -> str:
        self._last += 1
        return f"r{self._last}"


_key: Final = _Keys()


async def _dispatches(desks: dict[str, Seat]) -> None:
    async def draft(side: str) -> str:
        reply = await desks[f"{side}-clerk"].ask("dispatch_draft", key=_key(), **_LETTER)
        return str(reply["dispatch"]["dispatch"])

    async def step(user: str, command: str, name: str, **fields: Any) -> dict[str, Any]:
        seen = (await desks[user].ask("dispatch", dispatch=name))["dispatch"]["revision"]
        reply = await desks[user].ask(f"dispatch_{command}", key=_key(), dispatch=name, revision=seen, **fields)
        line = reply["dispatch"]
        assert isinstance(line, dict)
        return line

    async def tender(side: str, name: str) -> str:
        await step(f"{side}-head", "clear", name)
        return str((await step(f"{side}-clerk", "tender", name))["number"])

    first = await draft("south")
    await step("south-clerk", "revise", first, **{**_LETTER, "subject": "방류 통보"})
    number = await tender("south", first)
    await step("north-clerk", "defer", number, until_ms=round(time.time() * 1000) + 60_000)
    await step("south-clerk", "tender", number)
    await step("north-head", "decline", number, note="직급이 다릅니다.")
    await step("south-head", "tender", number)
    await step("north-clerk", "accept", number)
    # The text follows by itself, by whichever worker is first.
    async with asyncio.timeout(_PATIENCE_S):
        while (await desks["north-head"].ask("dispatch", dispatch=number))["dispatch"]["state"] != "awaiting_read_back":
            await asyncio.sleep(0.02)
    await step("north-head", "read_back", number, values=["3"])
    assert (await step("south-clerk", "confirm_read_back", number, confirmed=[True]))["state"] == "confirmed"
    await step("north-clerk", "acknowledge", number)
    answer = await tender("north", await draft("north"))
    await step("south-head", "record_other_means", answer, place="직통전화", at_ms=round(time.time() * 1000) - 60_000)
    await step("north-clerk", "answer", number, answer=answer)
    assert (await step("south-clerk", "close", number))["state"] == "closed"
    listed = (await desks["north-head"].ask("dispatches"))["dispatches"]
    assert {number, answer} <= {line["number"] for line in listed}


async def _line_checks(desks: dict[str, Seat]) -> None:
    asked = (await desks["south-clerk"].ask("line_check_request", key=_key()))["check"]
    answered = await desks["north-head"].ask("line_check_answer", key=_key(), check=asked["check"])
    assert answered["check"]["outcome"] == "answered"
    await desks["north-clerk"].ask("line_checks")
    # When a check of the schedule is due is for the clock to say.
    error = await desks["south-clerk"].refused("line_check_call", key=_key(), check=asked["check"])
    assert error.startswith("line_check")


async def _duty(desks: dict[str, Seat], ops: Seat) -> None:
    clerk, head = desks["south-clerk"], desks["south-head"]
    roster = "user,duty,first,begins,ends,days,every_weeks,last\nsouth-clerk,officer,2018-09-14,00:00,24:00,MO-SU,,\n"
    made = await clerk.ask("duty_import", key=_key(), format="csv", text=roster, revision=0)
    assert (await head.ask("duty_export", format="csv"))["revision"] == made["revision"]
    assert {shift["user"] for shift in (await head.ask("duty_roster"))["shifts"]} == {"south-clerk"}
    assert {side["delegation"] for side in (await desks["north-clerk"].ask("duty"))["sides"]} == {"south", "north"}
    offered = (await clerk.ask("duty_hand_over", key=_key()))["handover"]
    await clerk.ask("duty_withdraw", key=_key(), handover=offered["handover"])
    offered = (await clerk.ask("duty_hand_over", key=_key()))["handover"]
    taken = {"handover": offered["handover"], "digest": offered["digest"]}
    assert (await head.ask("duty_acknowledge", key=_key(), **taken))["handover"]["ended_by"] == "south-head"
    states = [handover["state"] for handover in (await clerk.ask("duty_handovers"))["handovers"]]
    assert states == ["acknowledged", "withdrawn"]
    await ops.ask("desks")


async def _record(desks: dict[str, Seat], channel: str) -> None:
    head, clerk = desks["south-head"], desks["south-clerk"]
    office = (await head.ask("side_keys"))["office"]
    signer = SideSigner("south", office=office)
    await head.ask("register_key", key=_key(), **signer.registration())
    seq = (await clerk.ask("publish", channel=channel, key=_key(), text="기록"))["seq"]
    page = await desks["north-clerk"].ask("history", channel=channel)
    link = b64decode(page["messages"][seq - 1]["link"])
    signed = signer.head(channel, seq, link, round(time.time() * 1000), epoch=page["epoch"])
    await clerk.ask("sign_head", **signed)
    assert (await desks["north-head"].ask("signed_heads", channel=channel))["type"] == "reply"
    await head.ask("revoke_key", key=_key(), fingerprint=signer.fingerprint, reason="시험")


async def _administration(desks: dict[str, Seat], channel: str) -> None:
    south, north = desks["south-head"], desks["north-head"]

    async def propose(**subject: Any) -> dict[str, Any]:
        expires_ms = round(time.time() * 1000) + _DAY_MS
        reply = await south.ask("propose", key=_key(), subject=subject, expires_ms=expires_ms)
        proposal = reply["proposal"]
        assert isinstance(proposal, dict)
        return proposal

    async def agree(**subject: Any) -> None:
        proposal = await propose(**subject)
        named = {name: proposal[name] for name in ("proposal", "digest")}
        await south.ask("approve_proposal", key=_key(), **named)
        approved = await north.ask("approve_proposal", key=_key(), **named)
        assert approved["proposal"]["state"] == "carried_out"

    words = {"authority": "남측 대표", "reason": "협의"}
    suspended = await south.ask("suspend_channel", key=_key(), channel=channel, **words)
    held = await desks["north-clerk"].ask("publish", channel=channel, key="held", text="기다립니다")
    assert held["held"]
    waiting = await desks["north-clerk"].ask("held_messages", channel=channel)
    assert [message["key"] for message in waiting["messages"]] == ["held"]
    await agree(kind="resume", channel=channel, suspension=suspended["suspension"])
    released = await desks["south-clerk"].ask("history", channel=channel)
    assert released["messages"][-1]["text"] == "기다립니다"
    for end, who, fields in (("reject", north, {"reason": "이릅니다"}), ("withdraw", south, {})):
        proposal = await propose(kind="retention", channel=channel, days=30)
        await who.ask(f"{end}_proposal", key=_key(), proposal=proposal["proposal"], **fields)
    await agree(kind="export", channel=channel, until_ms=round(time.time() * 1000) + _DAY_MS)
    exported = await north.ask("export_channel", channel=channel, key=_key())
    assert [message["seq"] for message in exported["messages"]] == [message["seq"] for message in released["messages"]]
    await south.ask("administration")
