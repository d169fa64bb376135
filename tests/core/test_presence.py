from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.core.identifiers import NO_DELEGATION, DelegationId, Millis, SessionId, UserId
from liaison.core.presence import (
    Audience,
    Cause,
    Connectivity,
    Device,
    Roster,
    UserDevices,
    View,
    ViewDiff,
    audience_of,
    merge,
)
from liaison.core.profile import Delegation, Granularity, OfficeProfile
from liaison.core.rights import Account, Role
from liaison.protocol.frames import Availability, PresenceLeave, PresenceUser, SidePresence

SOUTH, NORTH = DelegationId("south"), DelegationId("north")
OPS = Audience(NO_DELEGATION, is_ops=True)
AUDIENCES = (Audience(SOUTH), Audience(NORTH), OPS)


def profile(granularity: Granularity) -> OfficeProfile:
    return OfficeProfile(
        "연락사무소",
        "Liaison office",
        "Asia/Seoul",
        (
            Delegation(SOUTH, "남측", "South side", "#2f6fde", "Asia/Seoul"),
            Delegation(NORTH, "북측", "North side", "#c0392b", "Asia/Pyongyang"),
        ),
        granularity,
    )


def device(
    session: str = "s1", availability: Availability = "active", *, confirmed: bool = True, user: str = "kim"
) -> Device:
    return Device(SessionId(session), UserId(user), SOUTH, Role.OFFICIAL, availability, Millis(1), confirmed)


def user(*devices: Device, cause: str = "connected", role: Role = Role.OFFICIAL) -> UserDevices:
    return UserDevices(UserId("kim"), SOUTH, role, merge(devices), cause, Millis(7))


def roster_of(*users: UserDevices) -> Roster:
    roster = Roster()
    for one in users:
        roster.update(one)
    return roster


def view(audience: Audience, *users: UserDevices, granularity: Granularity = Granularity.NAMED) -> View:
    return View.of(audience, profile(granularity), roster_of(*users))


# ------------------------------------------------------------------------------------------------- generated values

# Each user always has the same side and role, as in a directory.
CAST: dict[str, tuple[DelegationId, Role]] = {
    "kim": (SOUTH, Role.HEAD),
    "lee": (SOUTH, Role.OFFICIAL),
    "clerk": (SOUTH, Role.BOT),
    "pak": (NORTH, Role.OFFICIAL),
    "ri": (NORTH, Role.HEAD),
    "scribe": (NORTH, Role.BOT),
    "watch": (NO_DELEGATION, Role.OPS),
}


def devices_of(name: str) -> st.SearchStrategy[tuple[Device, ...]]:
    delegation, role = CAST[name]
    one = st.builds(
        Device,
        session=st.sampled_from(["1", "2", "3"]).map(lambda number: SessionId(f"{name}-{number}")),
        user=st.just(UserId(name)),
        delegation=st.just(delegation),
        role=st.just(role),
        availability=st.sampled_from(["active", "idle", "away", "dnd"]),
        since_ms=st.integers(0, 3).map(Millis),
        confirmed=st.booleans(),
    )
    return st.lists(one, max_size=3).map(merge)


def states_of(name: str) -> st.SearchStrategy[UserDevices]:
    delegation, role = CAST[name]
    return st.builds(
        UserDevices,
        user=st.just(UserId(name)),
        delegation=st.just(delegation),
        role=st.just(role),
        devices=devices_of(name),
        cause=st.sampled_from([cause.value for cause in Cause]),
        changed_ms=st.integers(1, 9).map(Millis),
    )


STATES = st.sampled_from(sorted(CAST)).flatmap(states_of)
BATCHES = st.lists(st.lists(STATES, max_size=3), max_size=4)
GRANULARITIES = st.sampled_from(list(Granularity))


def newest(batch: Iterable[UserDevices]) -> list[UserDevices]:
    return list({one.user: one for one in batch}.values())


def swapped(one: UserDevices) -> UserDevices:
    other = {SOUTH: NORTH, NORTH: SOUTH, NO_DELEGATION: NO_DELEGATION}[one.delegation]
    devices = tuple(replace(each, delegation=other) for each in one.devices)
    return replace(one, delegation=other, devices=devices)


class Client:
    """A client by the rules of the protocol: joins before leaves, nothing else known."""

    def __init__(self, start: View) -> None:
        self.users = {one.user: one for one in start.people()}
        self.sides = {side.delegation: side for side in start.totals()}

    def take(self, diff: ViewDiff) -> None:
        for join in diff.joins:
            self.users[join.user] = join
        for leave in diff.leaves:
            del self.users[leave.user]
        for side in diff.sides:
            self.sides[side.delegation] = side


# ------------------------------------------------------------------------------------------------------ merging


@given(devices_of("kim"), devices_of("kim"), devices_of("kim"))
def test_merge_is_commutative_associative_and_idempotent(
    a: tuple[Device, ...], b: tuple[Device, ...], c: tuple[Device, ...]
) -> None:
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c)) == merge(a, b, c)
    assert merge(a, a) == merge(a) == a


def test_user_stays_online_while_any_device_is_confirmed() -> None:
    assert user(device("s1", confirmed=False), device("s2")).connectivity is Connectivity.ONLINE
    assert user(device("s1", confirmed=False)).connectivity is Connectivity.UNCONFIRMED
    assert user().connectivity is Connectivity.OFFLINE


@pytest.mark.parametrize(
    ("said", "merged"),
    [
        (["away", "idle", "active"], "active"),
        (["away", "idle"], "idle"),
        (["away"], "away"),
        (["active", "dnd", "idle"], "dnd"),
        ([], None),
    ],
)
def test_most_available_device_counts_and_do_not_disturb_wins(
    said: list[Availability], merged: Availability | None
) -> None:
    assert user(*(device(f"s{n}", one) for n, one in enumerate(said))).availability == merged


def test_short_outage_does_not_change_what_somebody_said() -> None:
    assert user(device("s1", "dnd", confirmed=False), device("s2", "active")).availability == "dnd"


def test_session_claimed_twice_counts_once_and_the_confirmed_claim_wins() -> None:
    old, new = device("s1", "active", confirmed=False), device("s1", "idle")
    assert merge([old], [new]) == (new,)


# ----------------------------------------------------------------------------------------------------- audiences


def test_audience_follows_role_and_delegation() -> None:
    def account(delegation: DelegationId, role: Role) -> Account:
        return Account(UserId("x"), "x", delegation, role)

    assert audience_of(account(SOUTH, Role.OFFICIAL)) == Audience(SOUTH)
    assert audience_of(account(NORTH, Role.BOT)) == Audience(NORTH)
    assert audience_of(account(NO_DELEGATION, Role.OPS)) == OPS
    assert audience_of(account(NO_DELEGATION, Role.OFFICIAL)) != OPS


def test_own_side_sees_availability_and_devices_but_no_cause_or_time() -> None:
    seen = view(Audience(SOUTH), user(device("s1", "idle"), device("s2", "away"), cause="no pong")).people()
    assert seen == [PresenceUser("kim", "south", "online", "idle", 2)]


def test_device_in_its_grace_is_no_second_device_of_somebody_who_is_back() -> None:
    seen = view(Audience(SOUTH), user(device("s1", confirmed=False), device("s2"))).people()
    assert seen == [PresenceUser("kim", "south", "online", "active", 1)]


def test_ops_see_cause_and_time_of_the_last_change() -> None:
    seen = view(OPS, user(device(confirmed=False), cause="no pong")).people()
    assert seen == [PresenceUser("kim", "south", "unconfirmed", "active", 1, 7, "no pong")]


def test_ops_see_why_somebody_left_and_their_side_does_not() -> None:
    roster = roster_of(user(device()))
    views = {audience: View.of(audience, profile(Granularity.NAMED), roster) for audience in AUDIENCES}
    gone = user(cause="revoked")
    roster.update(gone)
    assert views[OPS].advance(roster, [gone]).leaves == (PresenceLeave("kim", "south", "revoked", 7),)
    assert views[Audience(SOUTH)].advance(roster, [gone]).leaves == (PresenceLeave("kim", "south"),)
    assert views[Audience(NORTH)].advance(roster, [gone]).leaves == (PresenceLeave("kim", "south"),)


def test_across_the_sides_named_shows_connectivity_and_nothing_else() -> None:
    seen = view(Audience(NORTH), user(device("s1", "dnd"), device("s2"))).people()
    assert seen == [PresenceUser("kim", "south", "online")]


@pytest.mark.parametrize(
    ("granularity", "told"),
    [
        (Granularity.NAMED, SidePresence("south", "named", True, 1)),
        (Granularity.COUNT, SidePresence("south", "count", True, 1)),
        (Granularity.STAFFED, SidePresence("south", "staffed", True)),
    ],
)
def test_across_the_sides_the_granularity_says_what_is_told_of_a_side(
    granularity: Granularity, told: SidePresence
) -> None:
    seen = view(Audience(NORTH), user(device()), granularity=granularity)
    assert told in seen.totals()
    assert bool(seen.people()) is (granularity is Granularity.NAMED)


@pytest.mark.parametrize("granularity", list(Granularity))
def test_own_side_and_ops_see_names_at_any_granularity(granularity: Granularity) -> None:
    for audience in (Audience(SOUTH), OPS):
        seen = view(audience, user(device()), granularity=granularity)
        assert [one.user for one in seen.people()] == ["kim"]
        assert SidePresence("south", "named", True, 1) in seen.totals()


def test_bot_never_makes_a_desk_look_staffed() -> None:
    for audience in AUDIENCES:
        seen = view(audience, user(device(), role=Role.BOT))
        assert SidePresence("south", "named", False, 0) in seen.totals()
        assert [one.user for one in seen.people()] == ["kim"]


def test_short_outage_does_not_unstaff_a_desk() -> None:
    seen = view(Audience(NORTH), user(device(confirmed=False)), granularity=Granularity.STAFFED)
    assert SidePresence("south", "staffed", True) in seen.totals()


def test_ops_are_shown_to_ops_only() -> None:
    ops = UserDevices(
        UserId("watch"), NO_DELEGATION, Role.OPS, (replace(device(), user=UserId("watch")),), "connected", Millis(1)
    )
    assert [one.user for one in view(OPS, ops).people()] == ["watch"]
    for audience in (Audience(SOUTH), Audience(NORTH), Audience(NO_DELEGATION)):
        assert view(audience, ops).people() == []


# --------------------------------------------------------------------------------------------------- differences


@given(st.lists(STATES, max_size=4), BATCHES, GRANULARITIES, st.sampled_from(AUDIENCES))
def test_snapshot_and_diffs_give_a_fresh_snapshot(
    before: list[UserDevices], batches: list[list[UserDevices]], granularity: Granularity, audience: Audience
) -> None:
    office = profile(granularity)
    roster = roster_of(*before)
    kept = View.of(audience, office, roster)
    client = Client(kept)
    for batch in batches:
        for one in batch:
            roster.update(one)
        client.take(kept.advance(roster, newest(batch)))
        fresh = View.of(audience, office, roster)
        assert kept.people() == fresh.people() == [client.users[name] for name in sorted(client.users)]
        assert kept.totals() == fresh.totals() == list(client.sides.values())


@given(st.sampled_from(["kim", "lee", "clerk"]).flatmap(lambda name: st.tuples(states_of(name), states_of(name))))
def test_what_the_other_side_cannot_see_changes_nothing_for_it(states: tuple[UserDevices, UserDevices]) -> None:
    before, after = states
    for granularity in Granularity:
        roster = roster_of(before)
        across = View.of(Audience(NORTH), profile(granularity), roster)
        roster.update(after)
        diff = across.advance(roster, [after])
        is_same_to_them = (
            before.connectivity is after.connectivity
            if granularity is Granularity.NAMED
            else before.is_staff is after.is_staff
        )
        assert bool(diff) is not is_same_to_them


@given(st.lists(STATES, max_size=5), GRANULARITIES)
def test_swapping_the_sides_swaps_what_they_see(states: list[UserDevices], granularity: Granularity) -> None:
    straight = roster_of(*states)
    turned = roster_of(*(swapped(one) for one in states))
    office = profile(granularity)
    names = {"south": "north", "north": "south", "": ""}
    for mine, theirs in ((SOUTH, NORTH), (NORTH, SOUTH)):
        here = View.of(Audience(mine), office, straight)
        there = View.of(Audience(theirs), office, turned)
        assert [(one.user, names[one.delegation], one.availability, one.devices) for one in here.people()] == [
            (one.user, one.delegation, one.availability, one.devices) for one in there.people()
        ]
        assert {(names[side.delegation], side.granularity, side.online) for side in here.totals()} == {
            (side.delegation, side.granularity, side.online) for side in there.totals()
        }


@given(st.lists(STATES, max_size=5), st.lists(STATES, max_size=5))
def test_differences_lead_from_one_roster_to_another(before: list[UserDevices], after: list[UserDevices]) -> None:
    roster, goal = roster_of(*before), roster_of(*after)
    for one in roster.differences(goal.users, Millis(99)):
        roster.update(one)
    assert roster.users == goal.users
    assert {side: staff for side, staff in roster.staff.items() if staff} == {
        side: staff for side, staff in goal.staff.items() if staff
    }


def test_who_left_unnoticed_has_the_cause_missed() -> None:
    roster = roster_of(user(device()))
    assert roster.differences({}, Millis(99)) == [replace(user(), cause="missed", changed_ms=Millis(99))]
