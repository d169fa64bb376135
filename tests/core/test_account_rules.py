import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.core.account_rules import check_account, check_channel, check_password, normal_password
from liaison.core.identifiers import ChannelId, DelegationId, UserId
from liaison.core.rights import Account, Channel, Role

SOUTH, NORTH = DelegationId("south"), DelegationId("north")
BOTH = frozenset({SOUTH, NORTH})
KIM = Account(UserId("kim"), "김철수", SOUTH, Role.OFFICIAL)
OPS = Account(UserId("ops"), "운영", DelegationId(""), Role.OPS)
GENERAL = Channel(ChannelId("joint/general"), "일반", "General")


@pytest.mark.parametrize("role", [Role.OFFICIAL, Role.HEAD, Role.BOT])
@pytest.mark.parametrize("delegation", [SOUTH, NORTH])
def test_either_side_has_officials_heads_and_bots(role: Role, delegation: DelegationId) -> None:
    check_account(replace(KIM, role=role, delegation=delegation), BOTH)


def test_ops_belong_to_no_side() -> None:
    check_account(OPS, BOTH)
    with pytest.raises(ValueError, match="neither"):
        check_account(replace(OPS, delegation=SOUTH), BOTH)


def test_an_unknown_side_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'east'.*north and south"):
        check_account(replace(KIM, delegation=DelegationId("east")), BOTH)
    with pytest.raises(ValueError, match="'east'"):
        check_channel(replace(GENERAL, channel=ChannelId("east/desk")), BOTH)
    with pytest.raises(ValueError, match="''"):
        check_account(replace(KIM, delegation=DelegationId("")), BOTH)


@pytest.mark.parametrize(
    "name", ["", " 김", "김\n", "a" * 65, "김\u202e철수", "김\u200b", "ㅤ", "\u1160\u1160", "\x1b[1m"]
)
def test_a_name_is_short_and_wholly_visible(name: str) -> None:
    with pytest.raises(ValueError, match="visible"):
        check_account(replace(KIM, name=name), BOTH)
    with pytest.raises(ValueError, match="Korean title"):
        check_channel(replace(GENERAL, title_ko=name), BOTH)
    with pytest.raises(ValueError, match="English title"):
        check_channel(replace(GENERAL, title_en=name), BOTH)


def test_a_direct_channel_is_not_made_by_an_administrator() -> None:
    with pytest.raises(ValueError, match="opens it"):
        check_channel(replace(GENERAL, channel=ChannelId("dm/kim+lee")), BOTH)


@pytest.mark.parametrize("password", ["", "a" * 9, "a" * 257, "ÇA" * 500, "\ud800" * 12])
def test_a_password_that_is_too_short_too_long_or_no_text_is_refused(password: str) -> None:
    with pytest.raises(ValueError, match="10 to 256"):
        check_password(KIM.user, password)


def test_a_password_is_not_the_name_of_its_user() -> None:
    with pytest.raises(ValueError, match="name"):
        check_password(UserId("kim.cheolsu"), "Kim.Cheolsu")


def test_a_long_password_of_any_characters_is_taken() -> None:
    check_password(KIM.user, "가" * 256)
    check_password(KIM.user, unicodedata.normalize("NFD", "각" * 256))
    check_password(KIM.user, "correct horse battery staple")


def test_a_korean_password_fits_however_the_keyboard_spells_it() -> None:
    assert normal_password(unicodedata.normalize("NFD", "비밀번호입니다열자")) == "비밀번호입니다열자"


@given(st.text(max_size=2000))
def test_a_normal_password_is_its_own_normal_form_and_can_be_hashed(password: str) -> None:
    normal = normal_password(password)
    normal.encode()
    assert normal_password(normal) == normal
    assert len(normal) <= 256
