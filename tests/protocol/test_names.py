"""Names that both ends of the wire share."""

import re

from liaison.protocol import names


def test_subprotocols_are_tokens_that_a_header_can_carry() -> None:
    assert names.SUBPROTOCOLS == ("liaison.v1.msgpack", "liaison.v1.json")
    # RFC 9110 §5.6.2
    assert all(re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) for name in names.SUBPROTOCOLS)


def test_a_token_is_told_by_its_beginning() -> None:
    assert re.fullmatch(r"[a-z]{3}_", names.TOKEN_PREFIX)


def test_no_delegation_can_take_the_space_of_joint_or_direct_channels() -> None:
    from liaison.core.identifiers import parse_delegation

    for space in (names.JOINT, names.DIRECT):
        try:
            parse_delegation(space)
        except ValueError:
            continue
        raise AssertionError(space)
