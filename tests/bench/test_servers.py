"""Who is given access to what while our server is measured."""

import pytest

from bench.servers import Seats


@pytest.mark.parametrize("seats", [Seats(1000, 50), Seats(100, 10, channels=10), Seats(30, 3, channels=3, follows=3)])
def test_every_connection_belongs_to_a_member_of_the_channels_it_uses(seats: Seats) -> None:
    members = seats.members()
    for number in range(seats.subscribers):
        for step in range(seats.follows):
            assert number % seats.users in members[(number + step) % seats.channels]
    for number in range(seats.publishers):
        assert (seats.subscribers + number) % seats.users in members[number % seats.channels]


def test_nobody_is_a_member_of_a_channel_that_they_do_not_use() -> None:
    assert sum(map(len, Seats(10_000, 100, channels=10_000).members())) <= 10_100
