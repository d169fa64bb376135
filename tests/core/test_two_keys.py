"""The life of a proposal: the table, and each refusal of an approval that must not count."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.core.identifiers import DelegationId, UserId
from liaison.core.two_keys import (
    ENDED,
    LONGEST_LIFE_MS,
    SHORTEST_LIFE_MS,
    TABLE,
    Approval,
    Event,
    Proposal,
    State,
    about,
    check_approval,
    check_life,
    check_step,
    check_withdrawal,
    diagram,
    digest_of,
    proposal_name,
    waits_on,
)
from liaison.protocol.administration_frames import ResumeChannel, SetGranularity, SetMember
from liaison.protocol.errors import ErrorCode, Refused

SOUTH, NORTH = DelegationId("south"), DelegationId("north")
SUBJECT = SetGranularity("count")
NAME = proposal_name(UserId("south-head"), "k1")
EXPIRES_MS = 1_000_000
PROPOSAL = Proposal(
    name=NAME,
    digest=digest_of(NAME, SUBJECT, UserId("south-head"), EXPIRES_MS),
    subject=SUBJECT,
    by=UserId("south-head"),
    side=SOUTH,
    proposed_ms=0,
    expires_ms=EXPIRES_MS,
)
HALF = replace(PROPOSAL, state=State.APPROVED_BY_ONE, approvals=(Approval(SOUTH, UserId("south-head"), 1),))


def refusal_of(
    proposal: Proposal, *, by: str = "north-head", side: DelegationId = NORTH, digest: str = "", now_ms: int = 2
) -> ErrorCode | None:
    try:
        check_approval(proposal, by=UserId(by), side=side, digest=digest or proposal.digest, now_ms=now_ms)
    except Refused as error:
        return error.code
    return None


def test_the_table_has_every_state_with_every_event_and_what_ended_stays_ended() -> None:
    assert len(TABLE) == len(State) * len(Event)
    assert all(isinstance(TABLE[state, event], ErrorCode) for state in ENDED for event in Event)


@given(st.lists(st.sampled_from(Event)))
def test_any_events_reach_states_of_the_table_only_and_nothing_is_carried_out_without_two_approvals(
    events: list[Event],
) -> None:
    proposal, approvals = PROPOSAL, 0
    for event in events:
        after = proposal.after(event)
        if after is None:
            assert isinstance(TABLE[proposal.state, event], ErrorCode)
            continue
        assert after.state is TABLE[proposal.state, event]
        approvals += event is Event.APPROVED
        proposal = after
    if proposal.state in (State.APPROVED, State.CARRIED_OUT, State.FAILED):
        assert approvals == 2


def test_each_approval_that_must_not_count_has_an_error_of_its_own() -> None:
    assert refusal_of(HALF) is None
    refusals = {
        "another digest": refusal_of(HALF, digest="0" * 64),
        "after its time": refusal_of(HALF, now_ms=EXPIRES_MS),
        "a second time": refusal_of(HALF, by="south-head", side=SOUTH),
        "the same side": refusal_of(HALF, by="south-deputy", side=SOUTH),
        "after both": refusal_of(replace(HALF, state=State.APPROVED)),
        "after a no": refusal_of(replace(HALF, state=State.REJECTED)),
        "after it expired": refusal_of(replace(HALF, state=State.EXPIRED)),
    }
    assert refusals == {
        "another digest": ErrorCode.PROPOSAL_DIGEST,
        "after its time": ErrorCode.PROPOSAL_EXPIRED,
        "a second time": ErrorCode.ALREADY_APPROVED,
        "the same side": ErrorCode.SIDE_HAS_APPROVED,
        "after both": ErrorCode.PROPOSAL_APPROVED,
        "after a no": ErrorCode.PROPOSAL_ENDED,
        "after it expired": ErrorCode.PROPOSAL_EXPIRED,
    }


def test_only_the_side_that_proposed_withdraws_and_either_side_says_no() -> None:
    check_withdrawal(PROPOSAL, side=SOUTH, now_ms=2)
    with pytest.raises(Refused) as refused:
        check_withdrawal(PROPOSAL, side=NORTH, now_ms=2)
    assert refused.value.code is ErrorCode.PROPOSAL_OTHER_SIDE
    check_step(PROPOSAL, Event.REJECTED, 2)
    with pytest.raises(Refused) as refused:
        check_step(replace(PROPOSAL, state=State.APPROVED), Event.REJECTED, 2)
    assert refused.value.code is ErrorCode.PROPOSAL_APPROVED


def test_the_digest_covers_name_subject_proposer_and_time() -> None:
    by = UserId("south-head")
    others = {
        digest_of("other", SUBJECT, by, EXPIRES_MS),
        digest_of(NAME, SetGranularity("named"), by, EXPIRES_MS),
        digest_of(NAME, SUBJECT, UserId("north-head"), EXPIRES_MS),
        digest_of(NAME, SUBJECT, by, EXPIRES_MS + 1),
    }
    assert len(others) == 4
    assert PROPOSAL.digest not in others
    assert PROPOSAL.digest == digest_of(NAME, SetGranularity("count"), by, EXPIRES_MS)


def test_two_subjects_are_about_the_same_when_only_one_of_them_could_be_in_force() -> None:
    assert about(SetGranularity("count")) == about(SetGranularity("named"))
    assert about(SetMember("joint/a", "south-1", "read")) == about(SetMember("joint/a", "south-1", "none"))
    assert about(SetMember("joint/a", "south-1", "read")) != about(SetMember("joint/a", "south-2", "read"))
    assert about(ResumeChannel("joint/a", "0" * 16)) != about(ResumeChannel("joint/b", "0" * 16))


@pytest.mark.parametrize("life_ms", [SHORTEST_LIFE_MS - 1, LONGEST_LIFE_MS + 1, -5])
def test_a_proposal_that_ends_too_soon_or_too_late_is_refused(life_ms: int) -> None:
    with pytest.raises(Refused) as refused:
        check_life(1000 + life_ms, 1000)
    assert refused.value.code is ErrorCode.PROPOSAL_TIME
    check_life(1000 + SHORTEST_LIFE_MS, 1000)
    check_life(1000 + LONGEST_LIFE_MS, 1000)


def test_a_proposal_waits_on_the_sides_that_have_not_approved() -> None:
    assert waits_on(PROPOSAL, (SOUTH, NORTH)) == [SOUTH, NORTH]
    assert waits_on(HALF, (SOUTH, NORTH)) == [NORTH]
    assert waits_on(replace(HALF, state=State.REJECTED), (SOUTH, NORTH)) == []


def test_the_diagram_shows_every_step_of_the_table() -> None:
    steps = sum(isinstance(after, State) for after in TABLE.values())
    assert diagram().count(":") == steps
