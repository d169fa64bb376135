"""What of the office's behaviour a configuration may change; the defaults are the protocol's limits."""

from dataclasses import dataclass, field

from liaison.office.attachments import AttachmentSettings
from liaison.protocol import limits


@dataclass(frozen=True, slots=True)
class OfficeSettings:
    """Rates are per second; `poll_interval_s` is how often heads are compared with the log while the bus is up."""

    commands_per_s: float = limits.COMMANDS_PER_SESSION_PER_S
    commands_burst: float = limits.COMMANDS_PER_SESSION_BURST
    # A person's devices together, and what comes by HTTP.
    user_publishes_per_s: float = limits.COMMANDS_PER_SESSION_PER_S
    user_publishes_burst: float = limits.COMMANDS_PER_SESSION_BURST
    sessions_per_user: int = limits.MAX_SESSIONS_PER_USER
    poll_interval_s: float = 1.0
    # How many clients of a node that drains come back a second.
    drain_reconnects_per_s: float = 200.0
    drain_timeout_s: float = 8.0
    # Whether clients that are told to leave find the office at another node at once.
    has_other_nodes: bool = False
    attachments: AttachmentSettings = field(default_factory=AttachmentSettings)
