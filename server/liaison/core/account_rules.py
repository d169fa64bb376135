"""What an account, a channel and a password must look like to be accepted.

Each check raises ValueError with a sentence for whoever gave the value.
"""

import unicodedata
from collections.abc import Collection
from typing import Final

from liaison.core.identifiers import (
    HANGUL_FILLERS,
    NO_DELEGATION,
    ChannelKind,
    DelegationId,
    UserId,
    kind_of,
    owner_of,
    parse_channel,
    parse_user,
)
from liaison.core.rights import Account, Channel, Role

# NIST SP 800-63B asks for length and not for kinds of characters. The upper bound keeps the cost of hashing one.
MIN_PASSWORD_CHARS: Final = 10
MAX_PASSWORD_CHARS: Final = 256
MAX_NAME_CHARS: Final = 64


def check_account(account: Account, delegations: Collection[DelegationId]) -> None:
    """Check an account of an office of these delegations."""
    parse_user(account.user)
    _check_name(account.name, "a name")
    if account.role is not Role.OPS:
        _check_delegation(account.delegation, delegations)
    elif account.delegation != NO_DELEGATION:
        raise ValueError("ops belong to neither delegation")


def check_channel(channel: Channel, delegations: Collection[DelegationId]) -> None:
    """Check a channel that an administrator adds; direct ones are opened by people."""
    parse_channel(channel.channel)
    if kind_of(channel.channel) is ChannelKind.DIRECT:
        raise ValueError("a direct channel comes to be when somebody opens it")
    owner = owner_of(channel.channel)
    if owner is not None:
        _check_delegation(owner, delegations)
    _check_name(channel.title_ko, "a Korean title")
    _check_name(channel.title_en, "an English title")


def check_password(user: UserId, password: str) -> None:
    """Check a new password."""
    password = normal_password(password)
    if not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS:
        raise ValueError(f"a password has {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters")
    if password.casefold() == user.casefold():
        raise ValueError("a password must not be the name of its user")


def normal_password(password: str) -> str:
    """Give the one spelling of what was typed: Hangul arrives as syllables or as letters, by the keyboard's whim.

    What can be no password becomes empty, so that it is refused like any other wrong one, after the same work.
    """
    # Cut before the work: a syllable is at most three letters, and normalising megabytes takes long.
    normal = unicodedata.normalize("NFC", password) if len(password) <= 3 * MAX_PASSWORD_CHARS else ""
    is_possible = len(normal) <= MAX_PASSWORD_CHARS and not any("\ud800" <= c <= "\udfff" for c in normal)
    return normal if is_possible else ""


def _check_delegation(delegation: DelegationId, delegations: Collection[DelegationId]) -> None:
    if delegation not in delegations:
        raise ValueError(f"there is no delegation {delegation!r}; there are {' and '.join(sorted(delegations))}")


def _check_name(text: str, what: str) -> None:
    # Printable leaves out controls and everything that turns the direction of text or has no width.
    is_visible = text.isprintable() and not HANGUL_FILLERS.intersection(text)
    if not 1 <= len(text) <= MAX_NAME_CHARS or not is_visible or text != text.strip():
        raise ValueError(f"{what} is 1 to {MAX_NAME_CHARS} visible characters")
