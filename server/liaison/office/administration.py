"""Suspensions, and what needs both sides' approval: carries out the commands, and then what follows. (PROTOCOL.md §13)

The administration log is where things are decided. What follows from a decision is written elsewhere, in a channel or
in the directory: by the node that was asked, or after a crash by the next one that looks. It can be done any number of
times, because its keys are made of the decision's own name; that it was done is recorded once.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, assert_never, cast

import structlog

from liaison.core.administration import (
    NOTHING,
    Affairs,
    CarriedOut,
    Expired,
    Failed,
    Hand,
    InForce,
    Suspension,
    approve,
    closing,
    export,
    fold,
    office_writes,
    opening,
    propose,
    reject,
    suspend,
    withdraw,
)
from liaison.core.entries import Conflicting, Draft, Held, HeldDraft, Repeated, Stored
from liaison.core.identifiers import ChannelId, ChannelKind, DelegationId, UserId, kind_of
from liaison.core.messages import message_of
from liaison.core.permissions import Action
from liaison.core.profile import Granularity
from liaison.core.register_channels import ADMINISTRATION, is_register
from liaison.core.rights import Role
from liaison.core.two_keys import UNDECIDED, Proposal, State, proposal_name, waits_on
from liaison.office.actor import Actor
from liaison.office.registers import Handler, Recorded, Register, announce, readable_line
from liaison.ports.bus import DirectoryHint, EntriesHint
from liaison.ports.log import LogUnavailableError, UnknownOutcomeError
from liaison.protocol import administration_frames as frames
from liaison.protocol.errors import ErrorCode, LiaisonError, Refused, Unavailable
from liaison.protocol.frames import Command
from liaison.protocol.limits import MAX_PAGE_BYTES, MAX_PAGE_MESSAGES

if TYPE_CHECKING:
    from liaison.office.office import Office

_journal = structlog.get_logger(__name__)

# What another node decided is in force here after this time at the latest, as with a hint that was lost.
LOOK_EVERY_S: Final = 2.0


class _CannotBeDone(Exception):
    """What both sides approved is impossible, for good; the message says why."""


class _AlreadyRecorded(Exception):
    """Another node was faster."""


class AdministrationDepartment:
    """office.registers.Department for suspensions and for what needs two keys."""

    def __init__(self, office: "Office", look_every_s: float = LOOK_EVERY_S) -> None:
        self._office = office
        self._look_every_s = look_every_s
        self._sides: Final = tuple(delegation.id for delegation in office.profile.delegations)
        self._register: Final[Register[Affairs]] = office.registers.of(ADMINISTRATION, NOTHING, fold)
        # The suspensions that members at this node were told of; None before the first look.
        self._told: frozenset[ChannelId] | None = None
        # Until the log has been read, presence is shown as coarsely as it could have been agreed.
        office.presence.set_granularity(Granularity.STAFFED)

    def handlers(self) -> Mapping[type[Command], Handler]:
        """See office.registers.Department."""
        return {
            frames.SuspendChannel: self.suspend,
            frames.HeldMessages: self.held,
            frames.Propose: self.propose,
            frames.ApproveProposal: self.approve,
            frames.RejectProposal: self.reject,
            frames.WithdrawProposal: self.withdraw,
            frames.Administration: self.show,
            frames.ExportChannel: self.export,
        }

    async def start(self) -> None:
        """Learn what was agreed: a node that didn't know would hide people whom the others show. See Department."""
        self._adopt(await self._register.current())

    async def run(self) -> None:
        """Put in force what was decided anywhere, and end what nobody decided in time, until cancelled."""
        while True:
            try:
                await self._look()
            except (LiaisonError, LogUnavailableError) as error:
                _journal.warning("administration must wait", reason=str(error))
            await asyncio.sleep(self._look_every_s)

    # --- suspensions ----------------------------------------------------------------------------------------------

    async def suspend(self, actor: Actor, command: frames.SuspendChannel) -> frames.SuspensionReply:
        """Close a joint channel. Raises LiaisonError."""
        channel = self._about_joint(actor, command.channel)
        hand = self._hand(actor, Action.SUSPEND_CHANNEL, command.key)
        if is_register(channel):
            raise Refused(ErrorCode.FORBIDDEN, "a register is never suspended")
        authority, reason = readable_line(command.authority), readable_line(command.reason)
        made = await self._register.record(lambda affairs: suspend(affairs, hand, channel, authority, reason))
        name = proposal_name(hand.by, hand.key)
        suspension = made.state.suspensions.get(channel)
        if suspension is not None and suspension.name == name:
            await self._put_in_force(suspension)
        return frames.SuspensionReply(id=command.id, suspension=name, time_ms=made.time_ms, duplicate=made.duplicate)

    async def held(self, actor: Actor, command: frames.HeldMessages) -> frames.HeldReply:
        """Give one's own messages that wait. Raises LiaisonError, LogUnavailableError."""
        registry, log = self._office.registry, self._office.log
        channel = registry.may(actor, Action.READ, command.channel)
        user, side = actor.account.user, actor.account.delegation
        own: list[frames.HeldMessage] = []
        of_side = after = 0
        while rows := await log.held(channel, after=after, limit=MAX_PAGE_MESSAGES):
            after = rows[-1].place
            of_side += sum(row.draft.delegation == side for row in rows)
            own += [_held_message(row) for row in rows if row.draft.sender == user]
        is_suspended = channel in await log.suspended([channel])
        # The right may have gone while the log was read.
        registry.may(actor, Action.READ, command.channel)
        return frames.HeldReply(id=command.id, channel=channel, suspended=is_suspended, messages=own, of_side=of_side)

    async def _put_in_force(self, suspension: Suspension) -> None:
        """Close the channel, if that wasn't done; a suspension that was lifted since closes nothing again."""
        if suspension.seq:
            return
        seq = await self._append(suspension.channel, closing(suspension))

        def decide(affairs: Affairs) -> Draft:
            current = affairs.suspensions.get(suspension.channel)
            if current is None or current.name != suspension.name or current.seq:
                raise _AlreadyRecorded
            return office_writes(InForce(suspension.name, suspension.channel, seq))

        await self._record_once(decide)

    async def _resume(self, affairs: Affairs, proposal: Proposal, subject: frames.ResumeChannel) -> None:
        channel = ChannelId(subject.channel)
        suspension = affairs.suspensions.get(channel)
        if suspension is None or suspension.name != subject.suspension:
            raise _CannotBeDone("the channel is not suspended by this suspension any more")
        # A channel that was never closed can't be opened: a crash may have come between the log and the channel.
        await self._put_in_force(suspension)
        await self._append(channel, opening(proposal))
        await self._show_released(channel)

    async def _show_released(self, channel: ChannelId) -> None:
        """Let this node and the others read what was held; what is missed here, their polls find."""
        office = self._office
        hub = office.hubs.get(channel)
        if hub is not None:
            await hub.refresh()
        position = (await office.log.heads([channel]))[channel]
        last = await office.log.entry(channel, position.seq)
        if last is not None:
            office.bus.publish(EntriesHint(channel, position.epoch, (last,)))

    # --- two keys -------------------------------------------------------------------------------------------------

    async def propose(self, actor: Actor, command: frames.Propose) -> frames.ProposalReply:
        """Ask both sides. Raises LiaisonError."""
        subject = command.subject
        if not isinstance(subject, frames.SetGranularity):
            self._about_joint(actor, subject.channel)
        hand = self._hand(actor, Action.TURN_KEY, command.key)

        def decide(affairs: Affairs) -> Draft:
            if not hand.has_written(affairs):
                self._check_member(subject)
            return propose(affairs, hand, subject, command.expires_ms)

        made = await self._register.record(decide)
        return self._proposal_reply(command.id, proposal_name(hand.by, hand.key), made)

    async def approve(self, actor: Actor, command: frames.ApproveProposal) -> frames.ProposalReply:
        """Turn a side's key; with the second one, carry it out. Raises LiaisonError."""
        hand = self._hand(actor, Action.TURN_KEY, command.key)
        made = await self._register.record(lambda affairs: approve(affairs, hand, command.proposal, command.digest))
        proposal = made.state.proposals[command.proposal]
        if proposal.state is State.APPROVED:
            await self._carry_out(proposal)
        return self._proposal_reply(command.id, command.proposal, made, await self._register.current())

    async def reject(self, actor: Actor, command: frames.RejectProposal) -> frames.ProposalReply:
        """End a proposal by a no. Raises LiaisonError."""
        hand, reason = self._hand(actor, Action.TURN_KEY, command.key), readable_line(command.reason)
        made = await self._register.record(lambda affairs: reject(affairs, hand, command.proposal, reason))
        return self._proposal_reply(command.id, command.proposal, made)

    async def withdraw(self, actor: Actor, command: frames.WithdrawProposal) -> frames.ProposalReply:
        """Take back a proposal of one's own side. Raises LiaisonError."""
        hand = self._hand(actor, Action.TURN_KEY, command.key)
        made = await self._register.record(lambda affairs: withdraw(affairs, hand, command.proposal))
        return self._proposal_reply(command.id, command.proposal, made)

    async def _carry_out(self, proposal: Proposal) -> None:
        """Do what both sides approved, and record that; whoever else does it at the same time does no harm."""
        record: CarriedOut | Failed = CarriedOut(proposal.name)
        try:
            await self._do(proposal)
        except _CannotBeDone as error:
            record = Failed(proposal.name, str(error))

        def decide(affairs: Affairs) -> Draft:
            if affairs.proposals[proposal.name].state is not State.APPROVED:
                raise _AlreadyRecorded
            return office_writes(record)

        await self._record_once(decide)
        self._adopt(await self._register.current())

    async def _do(self, proposal: Proposal) -> None:
        subject = proposal.subject
        match subject:
            case frames.ResumeChannel():
                await self._resume(await self._register.current(), proposal, subject)
            case frames.SetMember() | frames.SetBotAccess():
                await self._set_membership(proposal, subject)
            case frames.SetGranularity() | frames.SetRetention() | frames.AllowExport():
                # In force by being recorded: every node goes by the log.
                pass
            case _:
                assert_never(subject)

    async def _set_membership(self, proposal: Proposal, subject: frames.SetMember | frames.SetBotAccess) -> None:
        accounts, by = self._office.accounts, f"both sides:{proposal.name}"
        try:
            if subject.access == "none":
                await accounts.remove_member(subject.channel, subject.user, by=by)
            else:
                can_write = subject.access == "write"
                await accounts.set_member(subject.channel, subject.user, can_write=can_write, by=by)
        except Unavailable:
            raise
        except Refused as error:
            raise _CannotBeDone(error.message) from error
        self._office.bus.publish(DirectoryHint(self._office.rights.revision))

    def _check_member(self, subject: frames.Subject) -> None:
        if not isinstance(subject, frames.SetMember | frames.SetBotAccess):
            return
        account = self._office.rights.accounts.get(UserId(subject.user))
        if account is None or account.role is Role.OPS:
            raise Refused(ErrorCode.NO_SUCH_USER, f"there is nobody called {subject.user!r} in either delegation")
        is_bot = account.role is Role.BOT
        if is_bot and isinstance(subject, frames.SetMember):
            raise Refused(ErrorCode.NOT_A_PERSON, f"{subject.user!r} is a bot: propose bot_access")
        if not is_bot and isinstance(subject, frames.SetBotAccess):
            raise Refused(ErrorCode.NOT_A_BOT, f"{subject.user!r} is no bot: propose membership")

    # --- what is shown --------------------------------------------------------------------------------------------

    async def show(self, actor: Actor, command: frames.Administration) -> frames.AdministrationReply:
        """Give what is in force, and proposals, newest first. Raises LiaisonError, LogUnavailableError."""
        registry = self._office.registry
        registry.may(actor, Action.READ, ADMINISTRATION)
        affairs = await self._register.current()
        registry.may(actor, Action.READ, ADMINISTRATION)
        newest = [
            proposal
            for proposal in reversed(list(affairs.proposals.values()))
            if not command.open_only or proposal.state in UNDECIDED
        ]
        now_ms = self._office.clock.wall_ms()
        return frames.AdministrationReply(
            id=command.id,
            suspensions=[_suspension_info(affairs.suspensions[name]) for name in sorted(affairs.suspensions)],
            granularity=self._agreed(affairs).value,
            retention=[frames.RetentionInfo(name, affairs.retention[name]) for name in sorted(affairs.retention)],
            exports=[
                frames.ExportInfo(name, right.until_ms)
                for name, right in sorted(affairs.exports.items(), key=lambda item: item[0])
                if now_ms < right.until_ms
            ],
            proposals=[self._proposal_info(proposal) for proposal in newest[: command.limit]],
            more=len(newest) > command.limit,
        )

    async def export(self, actor: Actor, command: frames.ExportChannel) -> frames.ExportReply:
        """Give one page of an approved export. Raises LiaisonError, LogUnavailableError."""
        office = self._office
        channel = self._about_joint(actor, command.channel)
        hand = self._hand(actor, Action.EXPORT_CHANNEL, command.key)
        made = await self._register.record(lambda affairs: export(affairs, hand, channel))
        right = made.state.export_right(channel, hand.now_ms)
        page = await office.log.read(channel, after=command.after, limit=command.limit, max_bytes=MAX_PAGE_BYTES)
        self._about_joint(actor, command.channel)
        return frames.ExportReply(
            id=command.id,
            channel=channel,
            epoch=page.epoch,
            head=page.head,
            until_ms=right.until_ms,
            messages=[message_of(entry, page.epoch) for entry in page.entries],
        )

    def _proposal_reply(
        self, command_id: int, name: str, made: Recorded[Affairs], after: Affairs | None = None
    ) -> frames.ProposalReply:
        proposal = (after or made.state).proposals[name]
        return frames.ProposalReply(id=command_id, proposal=self._proposal_info(proposal), duplicate=made.duplicate)

    def _proposal_info(self, proposal: Proposal) -> frames.ProposalInfo:
        return frames.ProposalInfo(
            proposal=proposal.name,
            digest=proposal.digest,
            subject=proposal.subject,
            proposed_by=proposal.by,
            delegation=proposal.side,
            proposed_ms=proposal.proposed_ms,
            expires_ms=proposal.expires_ms,
            # None is ever seen before it is proposed.
            state=cast(frames.ProposalState, proposal.state.value),
            approvals=[frames.ApprovalInfo(one.side, one.by, one.time_ms) for one in proposal.approvals],
            waits_on=[str(side) for side in waits_on(proposal, self._sides)],
            ended_by=proposal.ended_by,
            ended_ms=proposal.ended_ms,
            note=proposal.note,
        )

    # --- what is done by itself -----------------------------------------------------------------------------------

    async def _look(self) -> None:
        affairs = await self._register.current()
        self._adopt(affairs)
        for suspension in affairs.suspensions.values():
            await self._put_in_force(suspension)
        for proposal in affairs.undone():
            await self._carry_out(proposal)
        for proposal in affairs.overdue(self._office.clock.wall_ms()):
            await self._expire(proposal)

    def _adopt(self, affairs: Affairs) -> None:
        """Let this node go by what was agreed."""
        self._office.presence.set_granularity(self._agreed(affairs))
        suspended = frozenset(name for name, suspension in affairs.suspensions.items() if suspension.seq)
        for channel in sorted(suspended ^ (suspended if self._told is None else self._told)):
            # Where there is a hub, it has seen the entry itself.
            if self._office.hubs.get(channel) is None:
                self._office.members.tell(channel)
        self._told = suspended

    def _agreed(self, affairs: Affairs) -> Granularity:
        return affairs.granularity or self._office.profile.granularity

    async def _expire(self, proposal: Proposal) -> None:
        def decide(affairs: Affairs) -> Draft:
            if affairs.proposals[proposal.name].state not in UNDECIDED:
                raise _AlreadyRecorded
            return office_writes(Expired(proposal.name))

        await self._record_once(decide)

    async def _record_once(self, decide: Callable[[Affairs], Draft]) -> None:
        with suppress(_AlreadyRecorded):
            await self._register.record(decide)

    async def _append(self, channel: ChannelId, draft: Draft) -> int:
        """Write an entry that is written once, however often this is called; give its seq.

        Raises Unavailable when it definitely wasn't, LiaisonError when nobody knows: whoever looks next tries again.
        """
        office = self._office
        try:
            appended = await office.log.append(channel, [draft], office.clock.wall_ms())
        except LogUnavailableError as error:
            raise Unavailable("the log can't be written now; what was decided follows by itself") from error
        except UnknownOutcomeError as error:
            message = "it is not known whether this is in force already; it will be by itself"
            raise LiaisonError(ErrorCode.UNKNOWN_OUTCOME, message) from error
        match appended.outcomes[0]:
            case Stored(entry):
                announce(office.hubs, office.bus, appended.epoch, entry)
                return entry.seq
            case Repeated(seq):
                return seq
            case Conflicting() | Held():
                raise AssertionError("the office's own keys are the decision's, and what it writes passes a suspension")

    # --- who may --------------------------------------------------------------------------------------------------

    def _about_joint(self, actor: Actor, channel_text: str) -> ChannelId:
        channel = self._office.registry.may(actor, Action.READ, channel_text)
        if kind_of(channel) is not ChannelKind.JOINT:
            raise Refused(ErrorCode.NOT_FOR_BOTH_SIDES, "this is about joint channels only")
        return channel

    def _hand(self, actor: Actor, action: Action, key: str) -> Hand:
        registry = self._office.registry
        registry.may(actor, action)
        registry.may(actor, Action.PUBLISH, ADMINISTRATION)
        account = actor.account
        return Hand(account.user, DelegationId(account.delegation), key, self._office.clock.wall_ms())


def _suspension_info(suspension: Suspension) -> frames.SuspensionInfo:
    return frames.SuspensionInfo(
        channel=suspension.channel,
        suspension=suspension.name,
        delegation=suspension.side,
        user=suspension.by,
        authority=suspension.authority,
        reason=suspension.reason,
        time_ms=suspension.time_ms,
    )


def _held_message(held: HeldDraft) -> frames.HeldMessage:
    draft = held.draft
    # Without its place: that would tell how much others have written meanwhile.
    return frames.HeldMessage(
        key=draft.key,
        time_ms=held.time_ms,
        kind=draft.kind.value,
        text=draft.text,
        ref=draft.ref,
        reaction=draft.reaction,
        removed=draft.removed,
        mentions=list(draft.mentions),
        precedence=draft.precedence.value,
        data=draft.data,
    )
