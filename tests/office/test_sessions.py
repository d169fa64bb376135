"""A session under everything its client can send, and under what changes while it waits."""

import asyncio
from typing import Any

import msgspec
import pytest

from liaison.core.identifiers import ChannelId, UserId
from liaison.core.rights import Channel
from liaison.core.session import State
from liaison.office.settings import OfficeSettings
from liaison.ports.log import LogUnavailableError, UnknownOutcomeError
from liaison.protocol.limits import (
    AUTHENTICATION_TIMEOUT_MS,
    MAX_FRAME_BYTES,
    MAX_PUBLISHES_IN_FLIGHT,
    MAX_UNAUTHENTICATED_FRAME_BYTES,
)
from tests.office.whole_office import WholeOffice, in_office, secret_of

GENERAL = ChannelId("joint/general")
SOUTH = ChannelId("south/general")


def _say(number: int, **fields: Any) -> dict[str, Any]:
    return {"channel": "joint/general", "key": f"k{number}", "text": f"line {number}", **fields}


# -------------------------------------------------------------------------------------------------- before it is let in


def test_whoever_does_not_say_who_they_are_in_time_is_told_so_and_closed() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = whole.open()
        await asyncio.sleep(AUTHENTICATION_TIMEOUT_MS / 1000 - 0.01)
        assert seat.close_code is None
        await asyncio.sleep(0.02)
        assert seat.errors == ["authentication_timeout"]
        assert seat.close_code == 4006

    in_office(scenario)


def test_nobody_is_late_while_what_they_sent_waits_to_be_read() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = whole.open()
        seat.wire.has_unread = True
        await asyncio.sleep(3 * AUTHENTICATION_TIMEOUT_MS / 1000)
        assert seat.close_code is None
        seat.wire.has_unread = False
        await asyncio.sleep(1)
        assert seat.errors == ["authentication_timeout"]

    in_office(scenario)


def test_nobody_is_late_for_a_standstill_of_the_node() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat, silent = whole.open(), whole.open()
        await asyncio.sleep(AUTHENTICATION_TIMEOUT_MS / 1000 - 0.1)
        whole.world.stop_the_process(2_000)
        # The deadline comes before what lies in the sockets.
        await asyncio.sleep(0.01)
        await seat.ask("connect", token=secret_of("south-1"))
        await asyncio.sleep(2)
        assert (seat.close_code, silent.close_code) == (None, 4006)

    in_office(scenario)


def test_a_session_that_was_let_in_has_no_deadline_any_more_and_may_send_longer_frames() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = whole.open()
        assert seat.session.max_frame_bytes == MAX_UNAUTHENTICATED_FRAME_BYTES
        await seat.ask("connect", token=secret_of("south-1"))
        assert seat.session.max_frame_bytes == MAX_FRAME_BYTES
        await asyncio.sleep(60)
        assert seat.close_code is None

    in_office(scenario)


@pytest.mark.parametrize("token", ["", "lsn_", "lsn_" + "x" * 43, "x", "lsn_" + "가" * 43])
def test_a_token_that_lets_nobody_in_ends_the_session_with_one_answer_for_all(token: str) -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = whole.open()
        await seat.ask("connect", token=token)
        [error] = seat.wire.of("error")
        assert (error["name"], error["message"]) == (
            "unauthenticated",
            "sign in first or again, or bring a token that is valid",
        )
        assert seat.close_code == 4501

    in_office(scenario)


def test_any_other_command_before_connect_ends_the_session() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = whole.open()
        seat.send("ping")
        assert seat.errors == ["not_connected"]
        assert seat.close_code == 4501

    in_office(scenario)


@pytest.mark.parametrize(
    "command", [{"type": "publish"}, {"type": "no_such_command"}, {"type": "connect", "unknown": 1}]
)
def test_one_faulty_command_of_somebody_who_has_not_said_who_they_are_ends_the_session(
    command: dict[str, Any],
) -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = whole.open()
        for _ in range(1000):
            seat.session.receive(msgspec.msgpack.encode({**command, "id": 1}), is_text=False)
        assert len(seat.errors) == 1
        assert seat.close_code == 4501

    in_office(scenario)


def test_a_second_connect_is_refused_and_harms_nothing() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        answer = await seat.ask("connect", token=secret_of("south-1"))
        assert answer["name"] == "already_connected"
        assert (await seat.ask("ping"))["type"] == "reply"

    in_office(scenario)


def test_commands_sent_behind_connect_in_one_go_are_carried_out_in_order_once_it_is_granted() -> None:
    async def scenario(whole: WholeOffice) -> None:
        whole.log.read_gate.clear()
        seat = whole.open()
        seat.send("connect", token=secret_of("south-1"))
        for number in range(1, 4):
            seat.send("publish", **_say(number))
        seat.send("ping")
        await asyncio.sleep(1)
        assert seat.wire.frames == []
        whole.log.read_gate.set()
        await asyncio.sleep(1)
        assert seat.wire.of("reply")[0]["id"] == 1
        assert [row.draft.key for row in whole.log.rows[GENERAL]] == ["k1", "k2", "k3"]

    in_office(scenario)


def test_what_was_sent_behind_a_connect_that_is_refused_is_never_carried_out() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = whole.open()
        seat.send("connect", token="lsn_" + "x" * 43)
        seat.send("publish", **_say(1))
        await asyncio.sleep(1)
        assert seat.errors == ["unauthenticated"]
        assert whole.log.batches == []

    in_office(scenario)


def test_a_connect_that_meets_an_unavailable_log_ends_with_a_code_that_says_come_back() -> None:
    async def scenario(whole: WholeOffice) -> None:
        whole.log.read_failures.append(LogUnavailableError())
        seat = whole.open()
        seat.send("connect", token=secret_of("south-1"))
        seat.send("ping")
        await asyncio.sleep(1)
        assert seat.errors == ["unavailable"]
        assert seat.close_code == 4004
        seat.session.on_closed("closed")
        assert (await whole.connect("south-1")).close_code is None

    in_office(scenario)


def test_a_sign_in_that_ends_while_its_connect_is_under_way_lets_nobody_in() -> None:
    async def scenario(whole: WholeOffice) -> None:
        whole.log.read_gate.clear()
        seat = whole.open()
        seat.send("connect", token=secret_of("south-1"))
        await asyncio.sleep(0.1)
        await whole.office.accounts.set_active("south-1", active=False, by="test")
        whole.log.read_gate.set()
        await asyncio.sleep(0.5)
        assert seat.errors == ["revoked"]
        assert seat.close_code == 4503

    in_office(scenario)


def test_a_channel_that_comes_while_connect_is_under_way_is_told_of_right_behind_the_answer() -> None:
    async def scenario(whole: WholeOffice) -> None:
        whole.log.read_gate.clear()
        seat = whole.open()
        number = seat.send("connect", token=secret_of("south-1"))
        await whole.log.read_began.wait()
        await whole.directory.add_channel(Channel(ChannelId("joint/new"), "새", "New"), {}, actor="test")
        await whole.office.registry.refresh()
        assert seat.wire.frames == []
        whole.log.read_gate.set()
        await asyncio.sleep(0.01)
        reply = seat.answer(number)
        assert reply is not None
        assert [info["channel"] for info in reply["channels"]] == ["joint/general", "south/general"]
        [push] = seat.wire.of("channel")
        assert (push["event"], push["channel"]) == ("added", "joint/new")

    in_office(scenario)


def test_a_client_that_leaves_while_its_connect_is_under_way_leaves_nothing_behind() -> None:
    async def scenario(whole: WholeOffice) -> None:
        whole.log.read_gate.clear()
        seats = [whole.open() for _ in range(25)]
        for seat in seats:
            seat.send("connect", token=secret_of("south-1"))
            await asyncio.sleep(0.01)
            seat.session.on_closed("broken")
        whole.log.read_gate.set()
        assert whole.office.sessions == {}
        assert (await whole.connect("south-1")).close_code is None

    in_office(scenario)


def test_a_client_that_leaves_in_the_moment_it_connects_leaves_no_work_that_never_began() -> None:
    """Such work would be a warning, and warnings are errors here."""

    async def scenario(whole: WholeOffice) -> None:
        seat = whole.open()
        seat.send("connect", token=secret_of("south-1"))
        seat.session.on_closed("broken")
        await asyncio.sleep(0.1)
        assert seat.wire.frames == []

    in_office(scenario)


def test_a_user_has_no_more_sessions_than_the_limit_and_a_place_is_free_again_when_one_ends() -> None:
    async def scenario(whole: WholeOffice) -> None:
        first = await whole.connect("south-1")
        await whole.connect("south-1")
        third = whole.open()
        await third.ask("connect", token=secret_of("south-1"))
        assert third.errors == ["too_many_sessions"]
        assert third.close_code == 4504
        third.session.on_closed("closed")
        first.session.on_closed("closed")
        await whole.connect("south-1")

    in_office(scenario, OfficeSettings(sessions_per_user=2))


# ------------------------------------------------------------------------------------------------------- its commands


def test_a_frame_that_is_no_command_ends_the_session_and_a_faulty_command_does_not() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        assert (await seat.ask("no_such_command"))["name"] == "unknown_command"
        assert (await seat.ask("publish", channel=7))["name"] == "invalid"
        assert seat.close_code is None
        seat.session.receive(b"\xc1", is_text=False)
        assert seat.errors[-1] == "malformed"
        assert seat.close_code == 4500
        before = len(seat.wire.frames)
        seat.send("ping")
        assert len(seat.wire.frames) == before

    in_office(scenario)


def test_more_commands_than_the_rate_are_refused_with_when_to_try_again_and_then_granted() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        numbers = [seat.send("ping") for _ in range(10)]
        answers = [seat.answer(number) for number in numbers]
        refused = [answer for answer in answers if answer is not None and answer["type"] == "error"]
        # One of the ten tokens went for connect.
        assert [answer["name"] for answer in refused] == ["rate_limited"]
        await asyncio.sleep(refused[0]["retry_after_ms"] / 1000)
        assert (await seat.ask("ping"))["type"] == "reply"

    in_office(scenario, OfficeSettings(commands_per_s=10, commands_burst=10))


@pytest.mark.parametrize("type_", ["ping", "no_such_command", "connect"])
def test_a_flood_is_closed_however_much_of_it_the_rate_lets_through_and_whatever_it_consists_of(type_: str) -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        # 4,000 a second against 200: one in twenty is granted.
        for _ in range(10_000):
            seat.send(type_)
            await asyncio.sleep(0.00025)
            if seat.close_code is not None:
                break
        assert seat.close_code == 4505
        assert seat.errors[-1] == "flooding"

    in_office(scenario)


def test_whoever_goes_on_in_spite_of_refusals_is_not_read_for_a_while() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        # One of the ten was for `connect`.
        for _ in range(9 + 16):
            assert seat.wire.is_reading
            seat.send("ping")
        assert seat.errors == ["rate_limited"] * 16
        assert not seat.wire.is_reading
        await asyncio.sleep(0.09)
        assert not seat.wire.is_reading
        await asyncio.sleep(0.02)
        assert seat.wire.is_reading
        # Ten times that, and it is a flood.
        for _ in range(9):
            await asyncio.sleep(0.11)
            for _ in range(10 + 16):
                seat.send("ping")
        await asyncio.sleep(0)
        assert seat.close_code == 4505

    in_office(scenario, OfficeSettings(commands_per_s=20, commands_burst=10))


def test_a_client_that_is_a_little_too_fast_for_long_is_never_taken_for_a_flood() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        for _ in range(6_000):
            seat.send("ping")
            await asyncio.sleep(1 / 300)
        assert seat.close_code is None
        assert "rate_limited" in seat.errors

    in_office(scenario)


def test_so_many_publishes_in_flight_stop_the_reading_and_more_are_refused() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        whole.log.gate.clear()
        for number in range(MAX_PUBLISHES_IN_FLIGHT):
            seat.send("publish", **_say(number))
        assert not seat.wire.is_reading
        over = await seat.ask("publish", **_say(999))
        assert (over["name"], over["temporary"]) == ("busy", True)
        whole.log.gate.set()
        await asyncio.sleep(1)
        assert seat.wire.is_reading
        assert len(whole.log.rows[GENERAL]) == MAX_PUBLISHES_IN_FLIGHT

    in_office(scenario)


def test_commands_that_wait_for_storage_stop_the_reading_until_they_are_done() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        whole.log.read_gate.clear()
        numbers = [seat.send("history", channel="joint/general") for _ in range(40)]
        assert not seat.wire.is_reading
        whole.log.read_gate.set()
        await asyncio.sleep(1)
        assert seat.wire.is_reading
        assert [frame["id"] for frame in seat.wire.frames][-40:] == numbers

    in_office(scenario)


@pytest.mark.parametrize("type_", ["correct", "withdraw", "react"])
def test_an_unknown_outcome_of_anything_that_is_written_ends_the_session_with_a_code_that_says_replay(
    type_: str,
) -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        await seat.ask("publish", **_say(1))
        whole.log.failures.append(UnknownOutcomeError())
        fields = {"correct": {"text": "other"}, "withdraw": {}, "react": {"reaction": "👍"}}[type_]
        answer = await seat.ask(type_, channel="joint/general", key="k2", seq=1, **fields)
        assert answer["name"] == "unknown_outcome"
        assert seat.close_code == 4002

    in_office(scenario)


def test_an_unknown_outcome_of_a_publish_ends_the_session_and_later_ones_were_not_tried() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        bystander = await whole.connect("north-1")
        whole.log.gate.clear()
        whole.log.failures.append(UnknownOutcomeError())
        seat.send("publish", **_say(1))
        await asyncio.sleep(0.1)
        seat.send("publish", **_say(2))
        whole.log.gate.set()
        await asyncio.sleep(0.1)
        assert seat.errors == ["unknown_outcome", "unknown_outcome"]
        assert seat.close_code == 4002
        assert seat.wire.of("go_away")[0]["reconnect_after_ms"] == 0
        assert whole.log.batches == [["k1"]]
        assert bystander.close_code is None

    in_office(scenario)


# ---------------------------------------------------------------------------------------------------- its subscriptions


def test_a_right_that_goes_while_a_subscription_begins_is_answered_as_if_it_had_never_been() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        await (await whole.connect("south-2")).ask("publish", **_say(1, channel="south/general"))
        whole.log.read_gate.clear()
        number = seat.send("subscribe", channel="south/general", tail=10)
        await asyncio.sleep(0.1)
        await whole.office.accounts.remove_member("south/general", "south-1", by="test")
        whole.log.read_gate.set()
        await asyncio.sleep(0.5)
        answer = seat.answer(number)
        assert answer is not None
        assert answer["name"] == "no_such_channel"
        assert seat.wire.seqs == []
        assert seat.session.subscriptions == 0

    in_office(scenario)


def test_a_right_that_goes_while_a_backlog_is_sent_stops_it_in_the_middle() -> None:
    async def scenario(whole: WholeOffice) -> None:
        whole.log.fill(500, channel=SOUTH)
        seat = await whole.connect("south-1")
        seat.send("subscribe", channel="south/general", position={"epoch": 1, "seq": 0})
        while not seat.wire.seqs:
            await asyncio.sleep(0)
        whole.log.read_gate.clear()
        await asyncio.sleep(0.1)
        await whole.office.accounts.remove_member("south/general", "south-1", by="test")
        sent = list(seat.wire.seqs)
        assert len(sent) < 500
        whole.log.read_gate.set()
        await asyncio.sleep(5)
        assert seat.wire.seqs == sent
        assert seat.wire.of("channel") == [{"type": "channel", "event": "removed", "channel": "south/general"}]

    in_office(scenario)


def test_an_unsubscribe_that_overtakes_its_subscribe_leaves_nothing_followed() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        whole.log.read_gate.clear()
        seat.send("subscribe", channel="joint/general")
        await asyncio.sleep(0.1)
        seat.send("unsubscribe", channel="joint/general")
        whole.log.read_gate.set()
        await asyncio.sleep(0.1)
        assert seat.session.subscriptions == 0
        await (await whole.connect("north-1")).ask("publish", **_say(1))
        assert seat.wire.seqs == []

    in_office(scenario)


def test_a_session_that_is_over_answers_and_receives_nothing_more() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        await seat.ask("subscribe", channel="joint/general")
        seat.session.on_closed("closed")
        before = len(seat.wire.frames)
        seat.send("ping")
        await (await whole.connect("north-1")).ask("publish", **_say(1))
        assert len(seat.wire.frames) == before
        assert seat.session.state is State.CLOSED
        assert UserId("south-1") not in {other.user for other in whole.office.sessions.values()}

    in_office(scenario)
