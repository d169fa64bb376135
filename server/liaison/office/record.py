"""The signed record: keys of both sides, and the heads of channels that they sign. (PROTOCOL.md §13.4)

Keys are entries of the administration log. A signed head is an entry of the channel that it is about, so it needs no
state but the log's, is the same on every node, and reaches whoever reads the channel and nobody else.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

from liaison.core.entries import Conflicting, Entry, Held, Repeated, Stored
from liaison.core.identifiers import ChannelId, DelegationId
from liaison.core.permissions import Action
from liaison.core.register_channels import ADMINISTRATION
from liaison.core.side_keys import (
    NO_KEYS,
    KeyRing,
    Registered,
    SideKey,
    Signer,
    fold,
    packed,
    register,
    revoke,
)
from liaison.core.signed_record import (
    SignedHead,
    Standing,
    check_head,
    check_newer,
    check_signed_by,
    furthest,
    signed_head_of,
    signers_of,
)
from liaison.office.actor import Actor
from liaison.office.registers import Handler, Recorded, Register, announce, append_errors, readable_line
from liaison.protocol import record_frames as frames
from liaison.protocol.errors import ErrorCode, Refused
from liaison.protocol.frames import Command
from liaison.protocol.limits import MAX_PAGE_MESSAGES

if TYPE_CHECKING:
    from liaison.office.office import Office


class RecordDepartment:
    """office.registers.Department for the signed record."""

    def __init__(self, office: "Office", office_id: str) -> None:
        self._office = office
        self._office_id: Final = office_id
        self._sides: Final = tuple(delegation.id for delegation in office.profile.delegations)
        self._keys: Final[Register[KeyRing]] = office.registers.of(ADMINISTRATION, NO_KEYS, fold)

    def handlers(self) -> Mapping[type[Command], Handler]:
        """See office.registers.Department."""
        return {
            frames.RegisterKey: self.register_key,
            frames.RevokeKey: self.revoke_key,
            frames.SideKeys: self.side_keys,
            frames.SignHead: self.sign_head,
            frames.SignedHeads: self.signed_heads,
        }

    async def start(self) -> None:
        """Nothing here goes by what was agreed before."""

    async def run(self) -> None:
        """Nothing is due by itself: whoever holds a key signs."""

    # --- keys -----------------------------------------------------------------------------------------------------

    async def register_key(self, actor: Actor, command: frames.RegisterKey) -> frames.KeyReply:
        """Register a key of one's own side. Raises LiaisonError."""
        signer = self._signer(actor, command.key)
        # What was signed is the label to the letter: it is refused and not mended.
        if readable_line(command.label) != command.label:
            raise Refused(ErrorCode.INVALID, "a label has no blanks at its ends")
        wish = Registered(
            public_key=command.public_key,
            label=command.label,
            proof=command.proof,
            replaces=command.replaces,
            endorsement=command.endorsement,
        )
        made = await self._keys.record(lambda ring: register(ring, signer, wish))
        key = next(key for key in made.state.keys.values() if packed(key.public_key) == command.public_key)
        return _key_reply(command.id, key, made)

    async def revoke_key(self, actor: Actor, command: frames.RevokeKey) -> frames.KeyReply:
        """End a key of one's own side. Raises LiaisonError."""
        signer, reason = self._signer(actor, command.key), readable_line(command.reason)
        made = await self._keys.record(lambda ring: revoke(ring, signer, command.fingerprint, reason))
        return _key_reply(command.id, made.state.keys[command.fingerprint], made)

    async def side_keys(self, actor: Actor, command: frames.SideKeys) -> frames.SideKeysReply:
        """Give all keys of both sides. Raises LiaisonError, LogUnavailableError."""
        self._office.registry.may(actor, Action.READ_KEYS)
        ring = await self._keys.current()
        keys = [_key_info(key) for key in ring.keys.values()]
        return frames.SideKeysReply(id=command.id, office=self._office_id, keys=keys)

    def _signer(self, actor: Actor, key: str) -> Signer:
        registry = self._office.registry
        registry.may(actor, Action.MANAGE_KEYS)
        registry.may(actor, Action.PUBLISH, ADMINISTRATION)
        account = actor.account
        return Signer(account.user, DelegationId(account.delegation), key, self._office_id)

    # --- heads ----------------------------------------------------------------------------------------------------

    async def sign_head(self, actor: Actor, command: frames.SignHead) -> frames.SignHeadReply:
        """Keep a signature under what the log holds, and refuse it under anything else. Raises LiaisonError."""
        office = self._office
        channel = office.registry.may(actor, Action.SIGN_HEAD, command.channel)
        side = DelegationId(actor.account.delegation)
        head = SignedHead(
            office=self._office_id,
            fingerprint=command.fingerprint,
            epoch=command.epoch,
            seq=command.seq,
            link=command.link,
            time_ms=command.time_ms,
            signature=command.signature,
        )
        draft = head.draft(actor.account.user, side)
        for entry in await self._signed_by(channel, side, head.fingerprint):
            if entry.draft == draft:
                epoch = (await office.log.heads([channel]))[channel].epoch
                return _signed(command.id, epoch, entry.seq, entry.time_ms, duplicate=True)
            check_newer(head, signed_head_of(entry))
        check_head(head, await self._standing(channel, head.seq), office.clock.wall_ms())
        key = (await self._keys.current()).valid(head.fingerprint, side)
        check_signed_by(key, head, channel)
        # The right may have gone while the log was read.
        office.registry.may(actor, Action.SIGN_HEAD, command.channel)
        with append_errors():
            appended = await office.log.append(channel, [draft], office.clock.wall_ms())
        match appended.outcomes[0]:
            case Stored(entry):
                announce(office.hubs, office.bus, appended.epoch, entry)
                return _signed(command.id, appended.epoch, entry.seq, entry.time_ms, duplicate=False)
            case Repeated(seq, time_ms):
                return _signed(command.id, appended.epoch, seq, time_ms, duplicate=True)
            case Conflicting():
                raise Refused(ErrorCode.CONFLICT, "a message of yours has the key that this signature would have")
            case Held():
                raise AssertionError("a signed head passes a suspension")

    async def signed_heads(self, actor: Actor, command: frames.SignedHeads) -> frames.SignedHeadsReply:
        """Give how far each side has signed, and a page of signatures. Raises LiaisonError, LogUnavailableError."""
        office = self._office
        channel = office.registry.may(actor, Action.READ, command.channel)
        page = await office.log.signed_heads(channel, before=command.before or None, limit=command.limit + 1)
        sides = furthest(await self._newest_of_each(channel), signers_of(channel, self._sides, office.rights.accounts))
        position = (await office.log.heads([channel]))[channel]
        office.registry.may(actor, Action.READ, command.channel)
        return frames.SignedHeadsReply(
            id=command.id,
            channel=channel,
            office=self._office_id,
            epoch=position.epoch,
            head=position.seq,
            complete_seq=min((each.seq for each in sides), default=0),
            sides=[frames.SignedUpToInfo(each.side, each.seq, each.time_ms) for each in sides],
            heads=[_head_info(entry) for entry in page[: command.limit] if signed_head_of(entry) is not None],
            more=len(page) > command.limit,
        )

    async def _signed_by(self, channel: ChannelId, side: DelegationId, fingerprint: str) -> Sequence[Entry]:
        """Give the newest signature of a key in a channel, if there is one."""
        before: int | None = None
        while page := await self._office.log.signed_heads(channel, before=before, limit=MAX_PAGE_MESSAGES):
            for entry in page:
                head = signed_head_of(entry)
                if head is not None and head.fingerprint == fingerprint and entry.draft.delegation == side:
                    return [entry]
            before = page[-1].seq
        return []

    async def _newest_of_each(self, channel: ChannelId) -> Sequence[Entry]:
        """Give signatures downwards until there is one of each side that signs, or none are left."""
        wanted = set(signers_of(channel, self._sides, self._office.rights.accounts))
        found: list[Entry] = []
        before: int | None = None
        while wanted and (page := await self._office.log.signed_heads(channel, before=before, limit=MAX_PAGE_MESSAGES)):
            found += page
            wanted -= {entry.draft.delegation for entry in page if signed_head_of(entry) is not None}
            before = page[-1].seq
        return found

    async def _standing(self, channel: ChannelId, seq: int) -> Standing:
        position = (await self._office.log.heads([channel]))[channel]
        entry = await self._office.log.entry(channel, seq) if 1 <= seq <= position.seq else None
        return Standing(position.epoch, position.seq, None if entry is None else entry.link)


def _signed(command_id: int, epoch: int, seq: int, time_ms: int, *, duplicate: bool) -> frames.SignHeadReply:
    return frames.SignHeadReply(id=command_id, seq=seq, epoch=epoch, time_ms=time_ms, duplicate=duplicate)


def _key_reply(command_id: int, key: SideKey, made: Recorded[KeyRing]) -> frames.KeyReply:
    return frames.KeyReply(id=command_id, side_key=_key_info(key), duplicate=made.duplicate)


def _key_info(key: SideKey) -> frames.KeyInfo:
    return frames.KeyInfo(
        fingerprint=key.fingerprint,
        public_key=packed(key.public_key),
        delegation=key.side,
        label=key.label,
        user=key.by,
        from_ms=key.from_ms,
        # None is in a ring before it is registered.
        state=cast(frames.KeyState, key.state.value),
        proof=key.proof,
        replaces=key.replaces,
        endorsement=key.endorsement,
        until_ms=key.until_ms,
        ended_by=key.ended_by,
        reason=key.reason,
    )


def _head_info(entry: Entry) -> frames.SignedHeadInfo:
    head = signed_head_of(entry)
    assert head is not None
    return frames.SignedHeadInfo(
        entry_seq=entry.seq,
        user=entry.draft.sender,
        delegation=entry.draft.delegation,
        fingerprint=head.fingerprint,
        epoch=head.epoch,
        seq=head.seq,
        link=head.link,
        time_ms=head.time_ms,
        signature=head.signature,
    )
