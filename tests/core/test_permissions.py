"""The matrix is made from RULES and Role: a new action or role fails here until somebody has said what it may."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.core.identifiers import NO_DELEGATION, ChannelId, DelegationId, UserId
from liaison.core.permissions import RULES, Action, Need, joins_by_itself, may_belong, refusal
from liaison.core.rights import Account, Channel, Membership, Role
from liaison.protocol.errors import ErrorCode

WRITES = Membership()
READS = Membership(can_write=False)

# Who may what, written out a second time and in another form than RULES: o official, h head, b bot, p ops.
ANYWHERE = {
    Action.LIST_CHANNELS: "ohbp",
    Action.OPEN_DIRECT: "oh",
    Action.SEE_PRESENCE: "ohbp",
    Action.SET_AVAILABILITY: "oh",
    Action.WATCH_SESSIONS: "p",
    Action.WATCH_STATISTICS: "p",
    Action.WATCH_DESKS: "p",
    Action.READ_PRESENCE_LOG: "p",
    Action.DISCONNECT: "p",
    Action.REVOKE: "p",
    Action.DRAFT_DISPATCH: "ohb",
    Action.HANDLE_DISPATCH: "oh",
    Action.SUSPEND_CHANNEL: "h",
    Action.TURN_KEY: "h",
    Action.EXPORT_CHANNEL: "h",
    Action.CHECK_LINE: "oh",
    Action.MANAGE_KEYS: "h",
    Action.READ_KEYS: "ohb",
    Action.DO_DUTY: "oh",
}
AS_A_MEMBER = {Action.SUBSCRIBE: "ohb", Action.READ: "ohb", Action.MARK_READ: "ohb", Action.SIGN_HEAD: "ohb"}
AS_A_WRITER = {Action.PUBLISH: "ohb", Action.REACT: "ohb", Action.TYPE: "ohb"}
LETTERS = {Role.OFFICIAL: "o", Role.HEAD: "h", Role.BOT: "b", Role.OPS: "p"}

SWAPPED = {"south": "north", "north": "south", "": ""}


def account(role: Role, delegation: str = "south", user: str = "kim") -> Account:
    return Account(UserId(user), "김", DelegationId("" if role is Role.OPS else delegation), role)


def expected(role: Role, action: Action, membership: Membership | None) -> ErrorCode | None:
    if action in ANYWHERE:
        return None if LETTERS[role] in ANYWHERE[action] else ErrorCode.FORBIDDEN
    roles = AS_A_MEMBER.get(action) or AS_A_WRITER[action]
    if membership is None or LETTERS[role] not in roles:
        return ErrorCode.NO_SUCH_CHANNEL
    return ErrorCode.FORBIDDEN if action in AS_A_WRITER and not membership.can_write else None


def test_every_action_has_a_rule() -> None:
    assert set(RULES) == set(Action)


@pytest.mark.parametrize(("role", "action", "membership"), list(product(Role, Action, [None, READS, WRITES])))
def test_each_role_may_do_what_the_matrix_says(role: Role, action: Action, membership: Membership | None) -> None:
    assert refusal(account(role), action, membership) is expected(role, action, membership)


@pytest.mark.parametrize("action", [action for action in Action if RULES[action].need is not Need.NOTHING])
def test_a_stranger_is_told_that_there_is_no_such_channel(action: Action) -> None:
    assert {refusal(account(role), action, None) for role in Role} == {ErrorCode.NO_SUCH_CHANNEL}


def swapped_account(one: Account) -> Account:
    return Account(one.user, one.name, DelegationId(SWAPPED[one.delegation]), one.role, one.active)


def swapped_channel(channel: ChannelId) -> ChannelId:
    space, slash, name = channel.partition("/")
    return ChannelId(SWAPPED.get(space, space) + slash + name)


users = st.sampled_from(["kim", "lee", "pak"]).map(UserId)
delegations = st.sampled_from(["south", "north"])
accounts = st.builds(account, st.sampled_from(Role), delegations, users)
channels = st.sampled_from(["joint/general", "south/desk", "north/desk", "dm/kim+lee", "dm/lee+pak"]).map(ChannelId)
memberships = st.sampled_from([None, READS, WRITES])


@given(accounts, st.sampled_from(Action), memberships, channels, st.booleans())
def test_swapping_the_delegations_swaps_the_results_and_nothing_else(
    one: Account, action: Action, membership: Membership | None, channel: ChannelId, open_to_all: bool
) -> None:
    other, mirrored = swapped_account(one), swapped_channel(channel)
    assert refusal(one, action, membership) == refusal(other, action, membership)
    assert may_belong(one, channel) == may_belong(other, mirrored)
    assert joins_by_itself(one, Channel(channel, "", "", open_to_all)) == joins_by_itself(
        other, Channel(mirrored, "", "", open_to_all)
    )


@given(accounts)
def test_nobody_can_belong_to_the_other_sides_channel(one: Account) -> None:
    theirs = ChannelId(f"{SWAPPED[one.delegation] or 'south'}/desk")
    assert not may_belong(one, theirs)


@pytest.mark.parametrize("role", [Role.OFFICIAL, Role.HEAD, Role.BOT])
def test_people_and_bots_can_belong_to_joint_channels_and_their_own_sides(role: Role) -> None:
    assert may_belong(account(role), ChannelId("joint/general"))
    assert may_belong(account(role), ChannelId("south/desk"))


def test_ops_belong_to_no_channel() -> None:
    ops = Account(UserId("ops"), "ops", NO_DELEGATION, Role.OPS)
    assert not any(may_belong(ops, ChannelId(name)) for name in ("joint/general", "south/desk", "dm/kim+ops"))


def test_only_those_named_can_belong_to_a_direct_channel() -> None:
    assert may_belong(account(Role.OFFICIAL, user="kim"), ChannelId("dm/kim+lee"))
    assert not may_belong(account(Role.OFFICIAL, user="pak"), ChannelId("dm/kim+lee"))


@given(accounts, channels, st.booleans())
def test_who_joins_by_itself_is_a_person_who_may_belong_to_an_open_channel(
    one: Account, channel: ChannelId, open_to_all: bool
) -> None:
    joins = joins_by_itself(one, Channel(channel, "", "", open_to_all))
    is_person = one.role in (Role.OFFICIAL, Role.HEAD)
    assert joins == (open_to_all and is_person and may_belong(one, channel) and not channel.startswith("dm/"))
