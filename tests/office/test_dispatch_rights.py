"""Who may do what to a dispatch in which state: every role of both sides, every command, every state."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from liaison.core.dispatch import State
from liaison.core.identifiers import DelegationId, UserId
from liaison.core.register_channels import DISPATCHES, own_dispatches
from liaison.core.rights import Membership
from liaison.protocol.errors import ErrorCode, LiaisonError
from tests.office.dispatch_office import ITEMS, LETTER, DispatchOffice, in_dispatch_office

OTHER: Final = {"south": "north", "north": "south"}
USERS: Final = ("1", "2", "head", "bot")

# Which steps people of the sending and of the receiving side may make, written out apart from the table.
ALLOWED: Final[Mapping[str, tuple[set[str], set[str]]]] = {
    "draft": ({"revise", "clear", "close"}, set()),
    "cleared": ({"tender", "close"}, set()),
    "tendered": ({"record_other_means"}, {"accept", "defer", "decline", "record_other_means"}),
    "deferred": ({"tender", "record_other_means", "close"}, {"accept", "decline", "record_other_means"}),
    "declined": ({"tender", "record_other_means", "close"}, {"record_other_means"}),
    "delivered": ({"record_other_means"}, {"acknowledge", "record_other_means"}),
    "awaiting_read_back": ({"record_other_means"}, {"read_back", "record_other_means"}),
    "read_back": ({"confirm_read_back", "record_other_means"}, {"record_other_means"}),
    "confirmed": ({"record_other_means"}, {"acknowledge", "record_other_means"}),
    "delivered_otherwise": (
        {"record_other_means", "close"},
        {"accept", "acknowledge", "record_other_means"},
    ),
    "acknowledged": ({"close"}, {"answer"}),
    "answered": ({"close"}, set()),
    "closed": (set(), set()),
}
# They pass within one command, or have nobody to act on them.
IN_PASSING: Final = {State.NEW, State.NUMBERED, State.ACCEPTED, State.VOID}
OF_ONE_SIDE: Final = {"draft", "cleared"}


def fields(side: str) -> Mapping[str, Mapping[str, Any]]:
    return {
        "revise": {**LETTER, "precedence": "flash", "items": ITEMS},
        "clear": {},
        "tender": {},
        "accept": {},
        "defer": {"until_ms": 2**45},
        "decline": {"note": "까닭"},
        "read_back": {"values": ["3", "18:00"]},
        "confirm_read_back": {"confirmed": [True, True]},
        "acknowledge": {},
        "answer": {"answer": f"{OTHER[side]}-2018-0001"},
        "close": {},
        "record_other_means": {"place": "전화", "at_ms": 1},
    }


# How a dispatch comes into each state: the user's place on its side, the step, and whether that side receives.
WAYS: Final[Mapping[str, list[tuple[str, str]]]] = {
    "draft": [],
    "cleared": [("own", "clear")],
    "tendered": [("own", "clear"), ("own", "tender")],
}
MORE: Final[Mapping[str, list[tuple[str, str]]]] = {
    "deferred": [("other", "defer")],
    "declined": [("other", "decline")],
    "awaiting_read_back": [("other", "accept")],
    "delivered": [("other", "accept")],
    "read_back": [("other", "accept"), ("other", "read_back")],
    "confirmed": [("other", "accept"), ("other", "read_back"), ("own", "confirm_read_back")],
    "delivered_otherwise": [("own", "record_other_means")],
    "acknowledged": [("own", "record_other_means"), ("other", "acknowledge")],
    "answered": [("own", "record_other_means"), ("other", "acknowledge"), ("other", "answer")],
    "closed": [("own", "record_other_means"), ("own", "close")],
}


async def bring_to(office: DispatchOffice, side: str, state: str) -> str:
    """Give a dispatch in this state, by what its own side calls it."""
    urgent = {} if state == "delivered" else {"precedence": "flash", "items": ITEMS}
    name = await office.draft(side, **urgent)
    for whose, step in WAYS.get(state, []) or ([] if state == "draft" else WAYS["tendered"] + MORE[state]):
        user = f"{side if whose == 'own' else OTHER[side]}-2"
        line = await office.ask(f"{side}-1", "dispatch", dispatch=name)
        known = line["dispatch"].get("number", name)
        await office.step(user, step, known, **fields(side)[step])
    return name


def expected(side: str, user: str, state: str, step: str) -> set[ErrorCode] | None:
    """Say by which errors a step may be refused; None is that it must be granted."""
    role = user.rpartition("-")[2]
    is_own = user.startswith(side)
    if role == "ops" or (role == "bot" and step != "revise"):
        return {ErrorCode.FORBIDDEN}
    if not is_own and state in OF_ONE_SIDE:
        return {ErrorCode.NO_SUCH_DISPATCH, ErrorCode.DISPATCH_ANSWER}
    if step in ALLOWED[state][0 if is_own else 1]:
        return {ErrorCode.DISPATCH_OWN_CLEARANCE} if (step, role) == ("clear", "1") else None
    return {code for code in ErrorCode if 601 <= code.value.code < 620}


async def outcome(office: DispatchOffice, user: str, step: str, name: str, **fields: Any) -> ErrorCode | None:
    """Try a step; give how it is refused, None when it isn't."""
    try:
        await office.step(user, step, name, **fields)
    except LiaisonError as error:
        return error.code
    return None


async def choices(office: DispatchOffice, user: str, name: str) -> Mapping[str, str]:
    """Give what somebody is told of each step: the error that would refuse it, empty for none."""
    try:
        reply = await office.ask(user, "dispatch", dispatch=name)
    except LiaisonError:
        return {}
    return {choice["command"]: choice.get("refusal", "") for choice in reply["choices"]}


def test_every_state_has_its_row() -> None:
    assert {State(state) for state in ALLOWED} == set(State) - IN_PASSING


@pytest.mark.parametrize("side", OTHER)
@pytest.mark.parametrize("state", ALLOWED)
def test_each_may_do_what_the_matrix_says_and_was_told_so_and_a_refusal_changes_nothing(side: str, state: str) -> None:
    async def scenario(office: DispatchOffice) -> None:
        await office.tender(OTHER[side])
        users = [*(f"{each}-{role}" for each in OTHER for role in USERS), "ops"]
        name = await bring_to(office, side, state)
        for user in users:
            for step, more in fields(side).items():
                before = (await office.ask(f"{side}-1", "dispatch", dispatch=name))["dispatch"]
                assert before["state"] == state
                known = name if user.startswith(side) else before.get("number", name)
                allowed = expected(side, user, state, step)
                told = (await choices(office, user, known)).get(f"dispatch_{step}")
                code = await outcome(office, user, step, known, revision=before["revision"], **more)
                # Whoever looked just now is told what is the matter, and not that somebody changed it meanwhile.
                assert code is not ErrorCode.DISPATCH_CHANGED, (user, step)
                # This one is about the words of a command, of which the choices know nothing.
                if told is not None and code is not ErrorCode.DISPATCH_ANSWER:
                    assert told == ("" if code is None else code.wire_name), (user, step)
                if code is None:
                    assert allowed is None, (user, step)
                    name = await bring_to(office, side, state)
                else:
                    assert allowed is not None, (user, step, code)
                    assert code in allowed, (user, step)
                    after = (await office.ask(f"{side}-1", "dispatch", dispatch=name))["dispatch"]
                    assert after == before, (user, step)

    in_dispatch_office(scenario)


def test_a_bot_drafts_and_reads_where_it_was_let_in_and_decides_nothing() -> None:
    async def scenario(office: DispatchOffice) -> None:
        reply = await office.ask("south-bot", "dispatch_draft", **LETTER, precedence="life_safety")
        name = reply["dispatch"]["dispatch"]
        for step in ("clear", "tender"):
            with pytest.raises(LiaisonError) as caught:
                await office.step("south-bot", step, name)
            assert caught.value.code is ErrorCode.FORBIDDEN
        await office.step("south-1", "tender", name)
        assert len((await office.ask("north-bot", "dispatches"))["dispatches"]) == 1
        with pytest.raises(LiaisonError) as caught:
            await office.step("north-bot", "acknowledge", "south-2018-0001")
        assert caught.value.code is ErrorCode.FORBIDDEN

    in_dispatch_office(scenario)


async def leave(office: DispatchOffice, user: str, channel: Any, membership: Membership | None) -> None:
    await office.directory.set_membership(channel, UserId(user), membership, actor="test")
    await office.office.registry.refresh()


def test_who_is_no_member_or_only_reads_a_register_can_not_write_it() -> None:
    async def scenario(office: DispatchOffice) -> None:
        number = await office.tender()
        own = own_dispatches(DelegationId("north"))
        for channel, type_, fields in (
            (DISPATCHES, "dispatch_accept", {"dispatch": number, "revision": 1}),
            (own, "dispatch_draft", LETTER),
        ):
            for membership, code in (
                (Membership(can_write=False), ErrorCode.FORBIDDEN),
                (None, ErrorCode.NO_SUCH_CHANNEL),
            ):
                await leave(office, "north-1", channel, membership)
                with pytest.raises(LiaisonError) as caught:
                    await office.ask("north-1", type_, **fields)
                assert caught.value.code is code
        with pytest.raises(LiaisonError) as caught:
            await office.ask("north-1", "dispatches")
        assert caught.value.code is ErrorCode.NO_SUCH_CHANNEL

    in_dispatch_office(scenario)


def test_who_may_not_read_their_sides_register_sees_the_joint_one_only() -> None:
    async def scenario(office: DispatchOffice) -> None:
        name = await office.draft()
        number = await office.tender()
        await leave(office, "south-2", own_dispatches(DelegationId("south")), None)
        lines = (await office.ask("south-2", "dispatches"))["dispatches"]
        assert [line["dispatch"] for line in lines] == [number]
        assert "content" not in await office.ask("south-2", "dispatch", dispatch=number)
        with pytest.raises(LiaisonError) as caught:
            await office.ask("south-2", "dispatch", dispatch=name)
        assert caught.value.code is ErrorCode.NO_SUCH_DISPATCH

    in_dispatch_office(scenario)


def test_ops_see_no_dispatch() -> None:
    async def scenario(office: DispatchOffice) -> None:
        number = await office.tender()
        for type_, fields in (("dispatches", {}), ("dispatch", {"dispatch": number}), ("dispatch_draft", LETTER)):
            with pytest.raises(LiaisonError) as caught:
                await office.ask("ops", type_, **fields)
            assert caught.value.code in (ErrorCode.NO_SUCH_CHANNEL, ErrorCode.FORBIDDEN)

    in_dispatch_office(scenario)
