"""Which channels are registers, by their names."""

import pytest

from liaison.core.identifiers import ChannelId, DelegationId, parse_channel
from liaison.core.register_channels import is_register, own_dispatches, register_channels

SOUTH, NORTH = DelegationId("south"), DelegationId("north")


def test_every_register_of_an_office_has_a_valid_name_and_a_title_in_both_languages() -> None:
    for channel, titles in register_channels((SOUTH, NORTH)).items():
        assert parse_channel(channel) == channel
        assert is_register(channel)
        assert all(titles)


def test_the_order_of_the_sides_means_nothing() -> None:
    assert register_channels((SOUTH, NORTH)) == register_channels((NORTH, SOUTH))


def test_each_side_has_drafts_of_its_own() -> None:
    assert own_dispatches(SOUTH) != own_dispatches(NORTH)


@pytest.mark.parametrize(
    "name", ["joint/general", "south/desk", "dm/dispatches+south-1", "joint/duty", "south/administration"]
)
def test_a_chat_is_no_register(name: str) -> None:
    assert not is_register(ChannelId(name))
