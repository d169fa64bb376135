"""Who may do what: one table, the same for both delegations. (PROTOCOL.md §2.4)

A channel that isn't yours is answered like one that does not exist, whatever was asked of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from liaison.core.identifiers import ChannelId, ChannelKind, kind_of, members_of_direct, owner_of
from liaison.core.rights import Account, Channel, Membership, Role
from liaison.protocol.errors import ErrorCode


class Action(Enum):
    """Everything that needs a right; each command and endpoint names one."""

    SUBSCRIBE = auto()
    READ = auto()
    PUBLISH = auto()
    REACT = auto()
    TYPE = auto()
    MARK_READ = auto()
    LIST_CHANNELS = auto()
    OPEN_DIRECT = auto()
    SEE_PRESENCE = auto()
    SET_AVAILABILITY = auto()
    WATCH_SESSIONS = auto()
    WATCH_STATISTICS = auto()
    WATCH_DESKS = auto()
    READ_PRESENCE_LOG = auto()
    DISCONNECT = auto()
    REVOKE = auto()
    DRAFT_DISPATCH = auto()
    HANDLE_DISPATCH = auto()
    SUSPEND_CHANNEL = auto()
    TURN_KEY = auto()
    EXPORT_CHANNEL = auto()
    CHECK_LINE = auto()
    MANAGE_KEYS = auto()
    READ_KEYS = auto()
    SIGN_HEAD = auto()
    DO_DUTY = auto()


class Need(Enum):
    """What the actor must be to the channel."""

    NOTHING = auto()
    MEMBER = auto()
    WRITER = auto()


@dataclass(frozen=True, slots=True)
class Rule:
    """The roles that may, and what they must be to the channel."""

    roles: frozenset[Role]
    need: Need


_PEOPLE: Final = frozenset({Role.OFFICIAL, Role.HEAD})
_HEADS: Final = frozenset({Role.HEAD})
_SPEAKERS: Final = _PEOPLE | {Role.BOT}
_OPS: Final = frozenset({Role.OPS})
_EVERYBODY: Final = _SPEAKERS | _OPS

RULES: Final[Mapping[Action, Rule]] = {
    Action.SUBSCRIBE: Rule(_SPEAKERS, Need.MEMBER),
    Action.READ: Rule(_SPEAKERS, Need.MEMBER),
    Action.PUBLISH: Rule(_SPEAKERS, Need.WRITER),
    Action.REACT: Rule(_SPEAKERS, Need.WRITER),
    Action.TYPE: Rule(_SPEAKERS, Need.WRITER),
    Action.MARK_READ: Rule(_SPEAKERS, Need.MEMBER),
    Action.LIST_CHANNELS: Rule(_EVERYBODY, Need.NOTHING),
    Action.OPEN_DIRECT: Rule(_PEOPLE, Need.NOTHING),
    Action.SEE_PRESENCE: Rule(_EVERYBODY, Need.NOTHING),
    Action.SET_AVAILABILITY: Rule(_PEOPLE, Need.NOTHING),
    Action.WATCH_SESSIONS: Rule(_OPS, Need.NOTHING),
    Action.WATCH_STATISTICS: Rule(_OPS, Need.NOTHING),
    Action.WATCH_DESKS: Rule(_OPS, Need.NOTHING),
    Action.READ_PRESENCE_LOG: Rule(_OPS, Need.NOTHING),
    Action.DISCONNECT: Rule(_OPS, Need.NOTHING),
    Action.REVOKE: Rule(_OPS, Need.NOTHING),
    # Besides, one must be a writer of the register that is written, which these commands don't name.
    Action.DRAFT_DISPATCH: Rule(_SPEAKERS, Need.NOTHING),
    # No bot ever acknowledges, clears or decides anything.
    Action.HANDLE_DISPATCH: Rule(_PEOPLE, Need.NOTHING),
    # Besides, one must be a member of the channel that it is about, and a writer of the administration log.
    Action.SUSPEND_CHANNEL: Rule(_HEADS, Need.NOTHING),
    Action.TURN_KEY: Rule(_HEADS, Need.NOTHING),
    Action.EXPORT_CHANNEL: Rule(_HEADS, Need.NOTHING),
    # Besides, one must be a writer of the register. No bot calls or answers: that would prove nothing about a desk.
    Action.CHECK_LINE: Rule(_PEOPLE, Need.NOTHING),
    # Besides, one must be a writer of the administration log.
    Action.MANAGE_KEYS: Rule(_HEADS, Need.NOTHING),
    # Public keys are for whoever checks a signature, the other side's bots too.
    Action.READ_KEYS: Rule(_SPEAKERS, Need.NOTHING),
    # Who reads a record can sign it: it is the key that says on whose behalf, and a signature changes nothing.
    Action.SIGN_HEAD: Rule(_SPEAKERS, Need.MEMBER),
    # Besides, one must be a writer of one's own side's register of duty.
    Action.DO_DUTY: Rule(_PEOPLE, Need.NOTHING),
}


def refusal(account: Account, action: Action, membership: Membership | None) -> ErrorCode | None:
    """Say why `account` may not do `action` in a channel it has `membership` of; None means it may."""
    rule = RULES[action]
    if rule.need is Need.NOTHING:
        return None if account.role in rule.roles else ErrorCode.FORBIDDEN
    if membership is None or account.role not in rule.roles:
        return ErrorCode.NO_SUCH_CHANNEL
    if rule.need is Need.WRITER and not membership.can_write:
        return ErrorCode.FORBIDDEN
    return None


def may_belong(account: Account, channel: ChannelId) -> bool:
    """Say whether `account` can be a member of `channel` at all: whatever a table says, no side enters the other's."""
    if account.role not in _SPEAKERS:
        return False
    match kind_of(channel):
        case ChannelKind.JOINT:
            return True
        case ChannelKind.SIDE:
            return account.delegation == owner_of(channel)
        case ChannelKind.DIRECT:
            return account.user in members_of_direct(channel)


def joins_by_itself(account: Account, channel: Channel) -> bool:
    """Say whether `account` becomes a member as soon as both exist. Bots read only what they were given."""
    is_direct = kind_of(channel.channel) is ChannelKind.DIRECT
    return channel.open_to_all and not is_direct and account.role in _PEOPLE and may_belong(account, channel.channel)
