"""Somebody who has proved who they are, and by what."""

from dataclasses import dataclass

from liaison.core.rights import Account


@dataclass(frozen=True, slots=True)
class Actor:
    """`account` is as it was at authentication; rights are looked up anew for every command.

    `credential` is the digest of what they came in with, so that revoking it ends what runs under it.
    """

    account: Account
    credential: str
