"""What ops may do to others' sessions, what of it is recorded, and that nobody else may."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from liaison.office.office import Office
from liaison.office.operations import OBEY_TIMEOUT_S
from liaison.office.session_board import REFRESH_MS, SILENT_MS, WANTED_MS
from liaison.office.sessions import Peer
from liaison.office.statistics_feed import STEP_MS
from liaison.ports.bus import DisconnectHint
from liaison.ports.directory import AuditRecord, DirectoryUnavailableError
from liaison.protocol.codec import WireFormat
from liaison.protocol.errors import ErrorCode, Refused
from tests import virtual_time
from tests.office.doubles import Wire
from tests.office.liaison_office import LiaisonOffice
from tests.office.liaison_office import secret_of as secret_at_nodes
from tests.office.whole_office import Seat, WholeOffice, in_office, secret_of

EVERYBODY_ELSE = ("south-1", "north-1", "south-bot", "north-bot")
SIDES = ("south", "north")
COMMANDS: dict[str, dict[str, Any]] = {
    "watch_sessions": {},
    "watch_statistics": {},
    "presence_log": {},
    "disconnect": {"session": "whatever"},
    "revoke": {"user": "south-2", "reason": "because"},
}


async def _audited(whole: WholeOffice) -> Sequence[tuple[str, str, str, str]]:
    records: Sequence[AuditRecord] = await whole.directory.audit_records(after=0, limit=1000)
    return [(record.actor, record.action, record.subject, record.detail) for record in records]


@pytest.mark.parametrize("command", COMMANDS)
def test_only_ops_may(command: str) -> None:
    async def scenario(whole: WholeOffice) -> None:
        before = await _audited(whole)
        for user in EVERYBODY_ELSE:
            seat = await whole.connect(user)
            assert (await seat.ask(command, **COMMANDS[command]))["name"] == "forbidden"
        assert await _audited(whole) == before

    in_office(scenario)


@pytest.mark.parametrize("side", SIDES)
def test_a_disconnected_session_may_come_back_and_it_is_recorded(side: str) -> None:
    async def scenario(whole: WholeOffice) -> None:
        ops, seat, other = [await whole.connect(user) for user in ("ops", f"{side}-1", f"{side}-1")]
        assert (await ops.ask("disconnect", session=seat.session.id))["type"] == "reply"
        assert seat.close_code == 4005
        assert seat.wire.of("go_away") == [
            {"type": "go_away", "code": 4005, "reason": "disconnected", "reconnect_after_ms": 0}
        ]
        assert other.close_code is None
        await whole.connect(f"{side}-1")
        assert ("ops", "session.disconnected", f"{side}-1", seat.session.id) in await _audited(whole)

    in_office(scenario)


def test_a_session_that_is_not_here_can_not_be_disconnected() -> None:
    async def scenario(whole: WholeOffice) -> None:
        ops = await whole.connect("ops")
        stranger = whole.open()
        before = await _audited(whole)
        for name in ("nosuchsession", str(stranger.session.id)):
            assert (await ops.ask("disconnect", session=name))["name"] == "no_such_session"
        assert await _audited(whole) == before

    in_office(scenario)


@pytest.mark.parametrize("user", ["south-1", "north-1", "south-bot", "north-bot"])
def test_revoking_ends_every_session_of_the_user_within_a_second_and_for_good(user: str) -> None:
    async def scenario(whole: WholeOffice) -> None:
        ops = await whole.connect("ops")
        seats = [await whole.connect(user) for _ in range(3)]
        bystander = await whole.connect("south-2")
        began = whole.clock.monotonic_ms()
        reply = await ops.ask("revoke", user=user, reason="  the laptop was stolen ")
        assert reply["ended"] == 1
        assert [seat.close_code for seat in seats] == [4503] * 3
        assert whole.clock.monotonic_ms() - began < 1000
        assert bystander.close_code is None
        late = whole.open()
        assert (await late.ask("connect", token=secret_of(user)))["name"] == "unauthenticated"
        assert ("ops", "access.revoked", user, "the laptop was stolen") in await _audited(whole)

    in_office(scenario)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"user": "nobody", "reason": "why not"}, "no_such_user"),
        ({"user": "south-1", "reason": " "}, "invalid"),
        ({"user": "south-1", "reason": "two\nlines"}, "invalid"),
        ({"user": "south-1", "reason": ""}, "invalid"),
        ({"user": "south-1"}, "invalid"),
    ],
)
def test_what_can_not_be_revoked_is_refused_and_changes_nothing(fields: dict[str, Any], error: str) -> None:
    async def scenario(whole: WholeOffice) -> None:
        ops, seat = await whole.connect("ops"), await whole.connect("south-1")
        before = await _audited(whole)
        assert (await ops.ask("revoke", **fields))["name"] == error
        assert seat.close_code is None
        assert await _audited(whole) == before

    in_office(scenario)


@pytest.mark.parametrize("command", ["disconnect", "revoke"])
def test_what_can_not_be_recorded_is_not_done(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(whole: WholeOffice) -> None:
        ops, seat = await whole.connect("ops"), await whole.connect("south-1")

        async def unavailable(*_: str) -> None:
            raise DirectoryUnavailableError("the disk is gone")

        monkeypatch.setattr(whole.directory, "audit", unavailable)
        fields = {"session": seat.session.id} if command == "disconnect" else {"user": "south-1", "reason": "stolen"}
        answer = await ops.ask(command, **fields)
        assert (answer["name"], answer["temporary"]) == ("unavailable", True)
        assert seat.close_code is None

    in_office(scenario)


def test_statistics_come_by_themselves_to_ops_who_watch_and_show_what_the_office_did() -> None:
    async def scenario(whole: WholeOffice) -> None:
        ops, south, north = [await whole.connect(user) for user in ("ops", "south-1", "north-1")]
        await north.ask("subscribe", channel="joint/general")
        assert (await ops.ask("watch_statistics"))["steps"] == []
        await south.ask("publish", channel="joint/general", key="k", text="a word that must not leak")
        await asyncio.sleep(STEP_MS / 1000 + 1)
        (push,) = ops.wire.of("statistics")
        step = push["step"]
        assert {side["delegation"]: side.get("published", 0) for side in step["sides"]} == {"south": 1, "north": 0}
        (across,) = [each for each in step["directions"] if each.get("deliveries")]
        assert (across["sender"], across["receiver"], across["deliveries"]) == ("south", "north", 1)
        assert step["appends"] == {"committed": 1}
        assert "leak" not in str(push)
        assert "joint" not in str(push)
        await ops.ask("watch_statistics", watch=False)
        await asyncio.sleep(2 * STEP_MS / 1000)
        assert len(ops.wire.of("statistics")) == 1
        assert not south.wire.of("statistics")

    in_office(scenario)


def test_who_is_behind_shows_by_how_much_in_the_table_of_sessions() -> None:
    async def scenario(whole: WholeOffice) -> None:
        ops, slow = await whole.connect("ops"), await whole.connect("south-1")
        writer = await whole.connect("north-1")
        await slow.ask("subscribe", channel="joint/general")
        slow.wire.is_writable = False
        for number in range(3):
            await writer.ask("publish", channel="joint/general", key=f"k{number}", text="x")
        rows = {row["session"]: row for row in (await ops.ask("watch_sessions"))["sessions"]}
        assert rows[slow.session.id]["lag_messages"] == 3
        assert "lag_messages" not in rows[writer.session.id]

    in_office(scenario)


# --- an office of several nodes ---------------------------------------------------------------------------------------


def over_two_nodes(scenario: Callable[[LiaisonOffice, Office, Office], Awaitable[None]]) -> None:
    """Run a scenario in an office of two nodes on one bus, on virtual time."""

    async def scene(world: virtual_time.World) -> None:
        liaison = LiaisonOffice(world)
        await liaison.move_in()
        async with liaison.node("n1") as first, liaison.node("n2") as second:
            # By then each has heard of the other.
            await asyncio.sleep(STEP_MS / 1000 + 0.1)
            await scenario(liaison, first, second)

    virtual_time.run(1, scene)


async def _sit_at(office: Office, user: str) -> Seat:
    wire = Wire()
    seat = Seat(wire, office.open_session(wire, WireFormat.MSGPACK, "", Peer("loopback", "test")))
    reply = await seat.ask("connect", token=secret_at_nodes(user))
    assert reply["type"] == "reply", reply
    return seat


@pytest.mark.parametrize("side", SIDES)
def test_sessions_of_every_node_are_shown_live_and_whole(side: str) -> None:
    async def scenario(liaison: LiaisonOffice, here: Office, there: Office) -> None:
        ops, seat = await _sit_at(here, "ops"), await _sit_at(there, f"{side}-1")
        snapshot = await ops.ask("watch_sessions")
        assert [row["node"] for row in snapshot["sessions"]] == ["n1"]
        assert {node["node"]: node["state"] for node in snapshot["nodes"]} == {"n1": "current", "n2": "asked"}
        await asyncio.sleep(1)
        (row,) = [row for push in ops.wire.of("sessions_diff") for row in push["opened"] if row["node"] == "n2"]
        assert (row["session"], row["user"], row["address_class"]) == (seat.session.id, f"{side}-1", "loopback")
        seat.session.on_closed("closed")
        await asyncio.sleep(1)
        assert seat.session.id in [name for push in ops.wire.of("sessions_diff") for name in push.get("closed", ())]
        assert _versions_lead_on(snapshot["version"], ops)

    over_two_nodes(scenario)


def _versions_lead_on(version: int, ops: Seat) -> bool:
    pushes = ops.wire.of("sessions_diff")
    return [push["from_version"] for push in pushes] == list(range(version, version + len(pushes)))


def test_asked_once_the_sessions_of_all_nodes_are_in_the_answer() -> None:
    async def scenario(liaison: LiaisonOffice, here: Office, there: Office) -> None:
        await _sit_at(there, "north-1")
        reply = await liaison.ask_at(here, "ops", "watch_sessions", watch=False)
        assert [row["node"] for row in reply["sessions"]] == ["n2"]
        assert {node["state"] for node in reply["nodes"]} == {"current"}

    over_two_nodes(scenario)


@pytest.mark.parametrize("side", SIDES)
def test_session_of_another_node_is_ended_and_it_is_recorded_once(side: str) -> None:
    async def scenario(liaison: LiaisonOffice, here: Office, there: Office) -> None:
        ops, seat, other = await _sit_at(here, "ops"), await _sit_at(there, f"{side}-1"), await _sit_at(there, "ops")
        await ops.ask("watch_sessions")
        await asyncio.sleep(1)
        before = await liaison.directory.audit_records(after=0, limit=1000)
        assert (await ops.ask("disconnect", session=seat.session.id))["type"] == "reply"
        assert (seat.close_code, other.close_code) == (4005, None)
        added = (await liaison.directory.audit_records(after=0, limit=1000))[len(before) :]
        assert [(each.actor, each.action, each.subject, each.detail) for each in added] == [
            ("ops", "session.disconnected", f"{side}-1", seat.session.id)
        ]

    over_two_nodes(scenario)


def test_without_having_watched_a_session_of_another_node_is_found_too() -> None:
    async def scenario(liaison: LiaisonOffice, here: Office, there: Office) -> None:
        seat = await _sit_at(there, "north-1")
        await liaison.ask_at(here, "ops", "disconnect", session=seat.session.id)
        assert seat.close_code == 4005
        with pytest.raises(Refused) as refusal:
            await liaison.ask_at(here, "ops", "disconnect", session="nosuchsession")
        assert refusal.value.code is ErrorCode.NO_SUCH_SESSION

    over_two_nodes(scenario)


def test_nobody_ends_a_session_by_the_bus_alone() -> None:
    async def scenario(liaison: LiaisonOffice, here: Office, there: Office) -> None:
        seat, bystander = await _sit_at(there, "south-1"), await _sit_at(there, "north-1")
        endpoint = liaison.bus.node()
        records = await liaison.directory.audit_records(after=0, limit=1000)
        for order in range(len(records) + 3):
            endpoint.publish(DisconnectHint("n2", order))
        await asyncio.sleep(1)
        assert (seat.close_code, bystander.close_code) == (None, None)
        order = await liaison.directory.audit("ops", "session.disconnected", "south-1", seat.session.id)
        # An order of long ago is told again, by whoever recorded the bus.
        await asyncio.sleep(11)
        endpoint.publish(DisconnectHint("n2", order))
        await asyncio.sleep(1)
        assert seat.close_code is None

    over_two_nodes(scenario)


def test_node_that_does_not_obey_is_said_to_be_unavailable() -> None:
    async def scenario(liaison: LiaisonOffice, here: Office, there: Office) -> None:
        ops, seat = await _sit_at(here, "ops"), await _sit_at(there, "south-1")
        await ops.ask("watch_sessions")
        await asyncio.sleep(1)
        there.operations.on_hint = lambda hint: None  # type: ignore[method-assign]
        number = ops.send("disconnect", session=seat.session.id)
        await asyncio.sleep(OBEY_TIMEOUT_S + 0.1)
        answer = ops.answer(number)
        assert answer is not None
        assert (answer["name"], answer["temporary"], "n2" in answer["message"]) == ("unavailable", True, True)
        # It goes on telling for as long as the last question that it heard holds.
        await asyncio.sleep((WANTED_MS + SILENT_MS + 2 * REFRESH_MS) / 1000)
        [*_, nodes] = [push["nodes"] for push in ops.wire.of("sessions_diff") if push["nodes"]]
        assert {node["node"]: node["state"] for node in nodes} == {"n1": "current", "n2": "silent"}

    over_two_nodes(scenario)


def test_node_that_begins_is_told_the_log_of_presence_from_before() -> None:
    async def scene(world: virtual_time.World) -> None:
        liaison = LiaisonOffice(world)
        await liaison.move_in()
        async with liaison.node("n1") as first:
            seat = await _sit_at(first, "south-1")
            await asyncio.sleep(1)
            seat.session.on_closed("closed")
            await asyncio.sleep(20)
            before = await liaison.ask_at(first, "ops", "presence_log")
            assert [event["connectivity"] for event in before["events"]] == ["offline", "unconfirmed", "online"]
            async with liaison.node("n2") as second:
                await asyncio.sleep(1)
                told = await liaison.ask_at(second, "ops", "presence_log")
                assert told["since_ms"] == before["since_ms"]
                facts = [{**event, "number": 0} for event in before["events"]]
                assert [{**event, "number": 0} for event in told["events"]] == facts

    virtual_time.run(1, scene)
