"""What an operator changes about a joint channel is for both sides to decide; what is done without them is recorded."""

import secrets

from liaison.cli.back_office import operator
from liaison.cli.exits import Exit, Failure
from liaison.core.administration import ByOperator, encode
from liaison.core.entries import Draft, EntryKind
from liaison.core.identifiers import NO_DELEGATION, OFFICE, ChannelId, ChannelKind, UserId, kind_of
from liaison.core.register_channels import ADMINISTRATION
from liaison.office.founding import found_registers
from liaison.ports.log import UnknownOutcomeError
from liaison.protocol.administration_frames import Access
from liaison.protocol.limits import MAX_REASON_CHARS
from liaison.wiring import BackOffice

_NEEDS_BOTH = (
    "{channel} belongs to both sides: its members are changed by a proposal that a head of each approves; "
    "to do it without them, give --by-operator and the reason, which both sides will read"
)


async def record_change(office: BackOffice, channel: str, user: str, access: Access, reason: str | None) -> None:
    """Put on the administration log what an operator is about to do to a joint channel; nothing for other channels.

    What can't be done anyway, because there is no such channel or account, is left to whoever does it to refuse.
    Raises Failure when no reason is given, or none that can be read; LogUnavailableError.
    """
    rights = office.registry.rights
    if ChannelId(channel) not in rights.channels or kind_of(ChannelId(channel)) is not ChannelKind.JOINT:
        return
    if UserId(user) not in rights.accounts:
        return
    if reason is None:
        raise Failure(_NEEDS_BOTH.format(channel=channel))
    reason = reason.strip()
    if not reason or not reason.isprintable() or len(reason) > MAX_REASON_CHARS:
        raise Failure(f"the reason is one line of up to {MAX_REASON_CHARS} characters")
    record = ByOperator(operator(), channel, user, access, reason)
    key = f"operator {secrets.token_hex(8)}"
    draft = Draft(OFFICE, NO_DELEGATION, key, EntryKind.ADMINISTRATION, data=encode(record))
    # Beside a server that has never been started, the log may not be there yet, and both sides must find it.
    await found_registers(office.directory, office.profile)
    try:
        await office.log.append(ADMINISTRATION, [draft], office.clock.wall_ms())
    except UnknownOutcomeError as error:
        raise Failure(
            "it is not known whether this is on the record; nothing else was done", Exit.UNAVAILABLE
        ) from error
