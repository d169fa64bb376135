"""Whose connection it is: the peer's address, or what a proxy that we trust says; and how often one may connect."""

from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from liaison.core.identifiers import Millis
from liaison.core.token_bucket import TokenBucket
from liaison.edges.request_head import RequestHead
from liaison.ports.clock import Clock
from liaison.protocol.errors import ErrorCode, Unavailable

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# About 2 MB. Whoever commands more addresses than this isn't held up by a limit for each of them.
MAX_ADDRESSES: Final = 10_000
# A browser opens half a dozen connections at once, and a whole side may sit behind one address.
BURST_SECONDS: Final = 3


# The same few come again for every connection and request, and reading one takes 5 µs.
@lru_cache(maxsize=256)
def parse_address(text: str) -> Address | None:
    """Read an address as sockets and proxies write it; None for anything else. IPv4 in IPv6 counts as IPv4."""
    try:
        address = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def client_address(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """Give the address of the client behind `peer`.

    `forwarded_for` are the values of X-Forwarded-For. Each proxy appends whom it heard, so the list is read from its
    end and only for as long as those who wrote it are trusted: what a client put in by itself is never reached.
    """
    hops = [hop for value in forwarded_for for hop in value.split(",")]
    address = peer
    while is_trusted(address, trusted) and hops:
        hop = parse_address(hops.pop())
        if hop is None:
            break
        address = str(hop)
    return address


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    """Whether this is a proxy whose word on others counts."""
    parsed = parse_address(address)
    return parsed is not None and any(parsed in network for network in trusted)


def address_class(address: str) -> str:
    """Give `loopback`, `private` or `public`: all that ops are shown of an address."""
    parsed = parse_address(address)
    if parsed is None:
        return "public"
    if parsed.is_loopback:
        return "loopback"
    return "private" if parsed.is_private else "public"


class ConnectPace:
    """Connects a second for each address, in bounded memory. `per_s` of 0 is no limit."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def wait_ms(self, address: str, now_ms: Millis) -> int:
        """Count a connect; give 0 when it is within the pace, else how long to wait."""
        if not self._per_s:
            return 0
        key = _household(address)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = TokenBucket.full(per_s=self._per_s, burst=self._per_s * BURST_SECONDS, now_ms=now_ms)
            self._buckets[key] = bucket
            if len(self._buckets) > MAX_ADDRESSES:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket.take(now_ms)

    def __len__(self) -> int:
        return len(self._buckets)


def _household(address: str) -> str:
    """With IPv6 one customer has a whole /64 and can use a new address for each connect."""
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed or address)


class ClientPace:
    """Finds the client behind a request, and counts the connects of those behind trusted proxies.

    A direct peer was counted when its connection was accepted. Behind a proxy connections are shared, so there the
    requests that become long-lived, and attempts to sign in, count as connects.
    """

    def __init__(self, pace: ConnectPace, clock: Clock, trusted: Sequence[Network]) -> None:
        self._pace = pace
        self._clock = clock
        self._trusted = trusted

    def address(self, request: RequestHead) -> str:
        """Give the client's address; empty for a socket that has none."""
        return client_address(request.remote or "", request.headers.getall("X-Forwarded-For", []), self._trusted)

    def admit(self, request: RequestHead) -> str:
        """Count a connect and give the client's address. Raises Unavailable(RATE_LIMITED)."""
        address = self.address(request)
        if is_trusted(request.remote or "", self._trusted):
            wait_ms = self._pace.wait_ms(address, self._clock.monotonic_ms())
            if wait_ms:
                raise Unavailable("too many connects", ErrorCode.RATE_LIMITED, retry_after_ms=wait_ms)
        return address
