"""The channels that registers are kept in: everybody of their side(s) reads them, and only registers write to them."""

from typing import Final

from liaison.core.identifiers import ChannelId, ChannelKind, DelegationId, kind_of
from liaison.protocol.names import JOINT

_DISPATCHES: Final = "dispatches"
_ADMINISTRATION: Final = "administration"
_LINE_CHECKS: Final = "line-checks"
_DUTY: Final = "duty"

# What was tendered across the table; drafts and their clearance are in each side's own register.
DISPATCHES: Final = ChannelId(f"{JOINT}/{_DISPATCHES}")
ADMINISTRATION: Final = ChannelId(f"{JOINT}/{_ADMINISTRATION}")
LINE_CHECKS: Final = ChannelId(f"{JOINT}/{_LINE_CHECKS}")


def own_dispatches(side: DelegationId) -> ChannelId:
    """Give the register of a side's drafts: to the other side it does not exist."""
    return ChannelId(f"{side}/{_DISPATCHES}")


def own_duty(side: DelegationId) -> ChannelId:
    """Give the register of a side's roster and handovers: to the other side it does not exist."""
    return ChannelId(f"{side}/{_DUTY}")


def register_channels(sides: tuple[DelegationId, DelegationId]) -> dict[ChannelId, tuple[str, str]]:
    """Give the channels of the registers that there are, with their titles, for an office's founding."""
    joint = {
        DISPATCHES: ("전통문 대장", "Dispatch register"),
        ADMINISTRATION: ("운영 기록", "Administration log"),
        LINE_CHECKS: ("연락선 점검", "Line checks"),
    }
    drafts = {own_dispatches(side): ("우리 측 전통문 초안", "Our dispatch drafts") for side in sides}
    return joint | drafts | {own_duty(side): ("우리 측 당직", "Our duty roster") for side in sides}


def is_register(channel: ChannelId) -> bool:
    """Say whether a channel is a register's, by its name."""
    name = channel.partition("/")[2]
    if kind_of(channel) is ChannelKind.JOINT:
        return name in (_LINE_CHECKS, _DISPATCHES, _ADMINISTRATION)
    return kind_of(channel) is ChannelKind.SIDE and name in (_DISPATCHES, _DUTY)
