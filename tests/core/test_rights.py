from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.rights import (
    Account,
    Credential,
    CredentialKind,
    Membership,
    Rights,
    Role,
    digest_of,
    membership_changes,
)

KIM = Account(UserId("kim"), "김", DelegationId("south"), Role.OFFICIAL)
PAK = Account(UserId("pak"), "박", DelegationId("north"), Role.OFFICIAL)
COOKIE = Credential("c" * 64, KIM.user, CredentialKind.BROWSER, "browser", Millis(0), Millis(1000))
TOKEN = Credential("t" * 64, PAK.user, CredentialKind.TOKEN, "bot", Millis(0), Millis(1000))
GENERAL, DESK = ChannelId("joint/general"), ChannelId("south/desk")

RIGHTS = Rights(
    1,
    {KIM.user: KIM, PAK.user: PAK},
    {},
    {GENERAL: {KIM.user: Membership(), PAK.user: Membership()}, DESK: {KIM.user: Membership()}},
    {COOKIE.digest: COOKIE, TOKEN.digest: TOKEN},
)

members = st.dictionaries(
    st.sampled_from([GENERAL, DESK, ChannelId("north/desk")]),
    st.dictionaries(st.sampled_from([KIM.user, PAK.user]), st.builds(Membership, st.booleans())),
)


def test_a_stranger_and_a_missing_channel_look_alike() -> None:
    assert RIGHTS.membership(PAK.user, DESK) is None
    assert RIGHTS.membership(PAK.user, ChannelId("south/nothing")) is None


def test_channels_of_somebody_come_by_name() -> None:
    assert RIGHTS.channels_of(KIM.user) == [GENERAL, DESK]
    assert RIGHTS.channels_of(UserId("nobody")) == []


def test_a_credential_lives_until_the_millisecond_it_expires() -> None:
    assert RIGHTS.credential_is_live(COOKIE.digest, Millis(999))
    assert not RIGHTS.credential_is_live(COOKIE.digest, Millis(1000))
    assert not RIGHTS.credential_is_live("", Millis(0))


def test_a_credential_of_an_inactive_or_missing_account_is_dead() -> None:
    inactive = replace(RIGHTS, accounts={KIM.user: replace(KIM, active=False)})
    assert not inactive.credential_is_live(COOKIE.digest, Millis(0))
    assert not inactive.credential_is_live(TOKEN.digest, Millis(0))


@given(members, members)
def test_the_changes_lead_from_one_value_to_the_other(
    before: dict[ChannelId, dict[UserId, Membership]], after: dict[ChannelId, dict[UserId, Membership]]
) -> None:
    reached = {channel: dict(users) for channel, users in before.items()}
    for change in membership_changes(replace(RIGHTS, members=before), replace(RIGHTS, members=after)):
        assert change.before == reached.get(change.channel, {}).get(change.user) != change.after
        if change.after is None:
            del reached[change.channel][change.user]
        else:
            reached.setdefault(change.channel, {})[change.user] = change.after
    assert {c: u for c, u in reached.items() if u} == {c: u for c, u in after.items() if u}


def test_a_secret_is_known_by_its_sha_256_in_hexadecimal() -> None:
    # The digest of "abc" in FIPS 180-2, appendix B.1.
    assert digest_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_digest_is_not_shown() -> None:
    assert COOKIE.digest not in repr(RIGHTS.credentials[COOKIE.digest])


def test_the_channels_of_a_user_are_those_of_each_snapshot_by_name() -> None:
    assert RIGHTS.channels_of(KIM.user) == [GENERAL, DESK]
    assert RIGHTS.channels_of(UserId("nobody")) == []
    # Whoever got the list may do with it what they like.
    RIGHTS.channels_of(KIM.user).clear()
    after = replace(RIGHTS, members={DESK: {PAK.user: Membership()}})
    assert (after.channels_of(KIM.user), after.channels_of(PAK.user)) == ([], [DESK])
    assert RIGHTS.channels_of(KIM.user) == [GENERAL, DESK]
    assert replace(RIGHTS) == RIGHTS
