"""The channels that registers are kept in: everybody of their side(s) reads them, and only registers write to them."""

from typing import Final

from liaison.core.identifiers import ChannelId, ChannelKind, DelegationId, kind_of
from liaison.protocol.names import JOINT

_LINE_CHECKS: Final = "line-checks"
_DISPATCHES: Final = "dispatches"
_ADMINISTRATION: Final = "administration"
_DUTY: Final = "duty"

LINE_CHECKS: Final = ChannelId(f"{JOINT}/{_LINE_CHECKS}")
# What was tendered across the table; drafts and their clearance are in each side's own register.
DISPATCHES: Final = ChannelId(f"{JOINT}/{_DISPATCHES}")
ADMINISTRATION: Final = ChannelId(f"{JOINT}/{_ADMINISTRATION}")

TITLES: Final = {
    _LINE_CHECKS: ("통신 점검", "Line checks"),
    _DISPATCHES: ("전통문 대장", "Dispatch register"),
    _ADMINISTRATION: ("운영 기록", "Administration log"),
    _DUTY: ("당직", "Duty"),
}


def own_dispatches(side: DelegationId) -> ChannelId:
    """Give the register of a side's drafts: to the other side it does not exist."""
    return ChannelId(f"{side}/{_DISPATCHES}")


def own_duty(side: DelegationId) -> ChannelId:
    """Give a side's duty roster and handovers."""
    return ChannelId(f"{side}/{_DUTY}")


def register_channels(sides: tuple[DelegationId, DelegationId]) -> tuple[ChannelId, ...]:
    """Give every register's channel of an office, for its founding."""
    own = (channel for side in sides for channel in (own_dispatches(side), own_duty(side)))
    return (LINE_CHECKS, DISPATCHES, ADMINISTRATION, *own)


def is_register(channel: ChannelId) -> bool:
    """Say whether a channel is a register's, by its name."""
    name = channel.partition("/")[2]
    if kind_of(channel) is ChannelKind.JOINT:
        return name in (_LINE_CHECKS, _DISPATCHES, _ADMINISTRATION)
    return kind_of(channel) is ChannelKind.SIDE and name in (_DISPATCHES, _DUTY)
