from ipaddress import ip_network

import pytest

from liaison.core.identifiers import Millis
from liaison.edges.addresses import MAX_ADDRESSES, ConnectPace, address_class, client_address

TRUSTED = (ip_network("127.0.0.0/8"), ip_network("10.1.0.0/16"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        # Nobody believes a stranger.
        ("203.0.113.9", ["198.51.100.7"], "203.0.113.9"),
        ("127.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        # What the client wrote itself stands to the left and is never reached.
        ("127.0.0.1", ["1.2.3.4, 198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", ["1.2.3.4", "198.51.100.7, 10.1.2.3"], "198.51.100.7"),
        ("127.0.0.1", ["garbage"], "127.0.0.1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("::ffff:127.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("", ["198.51.100.7"], ""),
    ],
)
def test_the_client_is_the_last_address_that_a_trusted_proxy_wrote(
    peer: str, forwarded_for: list[str], client: str
) -> None:
    assert client_address(peer, forwarded_for, TRUSTED) == client


def test_ops_see_only_the_class_of_an_address() -> None:
    addresses = ("127.0.0.1", "::1", "10.0.0.1", "fe80::1%eth0", "8.8.8.8", "2606:4700::1", "")
    classes = ["loopback", "loopback", "private", "private", "public", "public", "public"]
    assert [address_class(address) for address in addresses] == classes


def test_connects_of_one_address_are_paced_and_those_of_another_are_not() -> None:
    pace = ConnectPace(20)
    waits = [pace.wait_ms("198.51.100.7", Millis(0)) for _ in range(61)]
    assert waits == [0] * 60 + [50]
    assert pace.wait_ms("198.51.100.8", Millis(0)) == 0
    assert pace.wait_ms("198.51.100.7", Millis(50)) == 0


def test_all_addresses_of_one_ipv6_network_count_as_one() -> None:
    pace = ConnectPace(1)
    waits = [pace.wait_ms(f"2001:db8::{number:x}", Millis(0)) for number in range(4)]
    assert waits == [0, 0, 0, 1000]


def test_memory_is_bounded_however_many_addresses_come() -> None:
    pace = ConnectPace(20)
    for number in range(MAX_ADDRESSES + 500):
        pace.wait_ms(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", Millis(0))
    assert len(pace) == MAX_ADDRESSES


def test_a_pace_of_zero_is_no_limit() -> None:
    pace = ConnectPace(0)
    assert not any(pace.wait_ms("198.51.100.7", Millis(0)) for _ in range(1000))
