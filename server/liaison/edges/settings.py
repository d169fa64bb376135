"""What the edges need to be told: addresses they trust, limits that tests and load generators change."""

from dataclasses import dataclass, field
from pathlib import Path

from liaison.edges.addresses import Network
from liaison.protocol.limits import CONNECTS_PER_ADDRESS_PER_S, HANDSHAKE_TIMEOUT_MS, MAX_FRAME_BYTES


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """The part of the configuration that HTTP and WebSocket look at.

    `allowed_origins` are compared as whole strings, `scheme://host[:port]` in lower case. `uses_tls`: browsers reach us
    by https, here or at a proxy. `trusted_proxies`: only a peer within these may say by X-Forwarded-For whom it speaks
    for. `static_directory`: where the client's build was put. `metrics_token`: empty leaves /metrics open.
    `connects_per_address_per_s`: 0 is no limit.
    """

    allowed_origins: frozenset[str]
    static_directory: Path
    uses_tls: bool = False
    trusted_proxies: tuple[Network, ...] = ()
    metrics_token: str = field(default="", repr=False)
    serves_metrics: bool = True
    connects_per_address_per_s: float = CONNECTS_PER_ADDRESS_PER_S
    handshake_timeout_ms: int = HANDSHAKE_TIMEOUT_MS
    # Longer than a proxy usually keeps its idle connections, so that the proxy is the one that ends them.
    keepalive_timeout_ms: int = 75_000
    max_body_bytes: int = MAX_FRAME_BYTES
    body_timeout_ms: int = 10_000
