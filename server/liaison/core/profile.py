"""What an office is called and who its two delegations are; from configuration, the same for every node."""

from dataclasses import dataclass
from enum import Enum

from liaison.core.identifiers import DelegationId


class Granularity(Enum):
    """How finely one side sees the other's presence; the same in both directions."""

    NAMED = "named"
    COUNT = "count"
    STAFFED = "staffed"


@dataclass(frozen=True, slots=True)
class Delegation:
    """One side: its id is in channel names and on the wire, the rest is for people."""

    id: DelegationId
    title_ko: str
    title_en: str
    colour: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class OfficeProfile:
    """The office as a whole. The order of the delegations means nothing."""

    title_ko: str
    title_en: str
    time_zone: str
    delegations: tuple[Delegation, Delegation]
    granularity: Granularity

    def other(self, delegation: DelegationId) -> DelegationId:
        """Give the side across the table. Raises KeyError for an id that is neither."""
        first, second = self.delegations
        return {first.id: second.id, second.id: first.id}[delegation]
