"""What ops may do to others' sessions, what of it is recorded, and that nobody else may."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from liaison.office.statistics_feed import STEP_MS
from liaison.ports.directory import AuditRecord, DirectoryUnavailableError
from tests.office.whole_office import WholeOffice, in_office, secret_of

EVERYBODY_ELSE = ("south-1", "north-1", "south-bot", "north-bot")
SIDES = ("south", "north")
COMMANDS: dict[str, dict[str, Any]] = {
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
