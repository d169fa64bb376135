"""Answers to commands that need no session: the same for WebSocket and HTTP, authorised each time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from liaison.core.attachments import check_names, data_of
from liaison.core.entries import Draft, EntryKind, Page, Precedence
from liaison.core.identifiers import (
    ChannelId,
    ChannelKind,
    Millis,
    TooLongError,
    UserId,
    clean_text,
    direct_channel,
    kind_of,
    members_of_direct,
    parse_user,
)
from liaison.core.messages import message_of
from liaison.core.permissions import Action
from liaison.core.position import Position
from liaison.core.register_channels import is_register
from liaison.core.rights import Account, Channel, Membership, Role
from liaison.office.actor import Actor
from liaison.office.publishing import Published, Submission
from liaison.office.sessions import publish_reply
from liaison.ports.bus import DirectoryHint, ReadHint
from liaison.ports.directory import AlreadyExistsError, DirectoryUnavailableError
from liaison.protocol import frames
from liaison.protocol.errors import ErrorCode, LiaisonError, Refused, Unavailable
from liaison.protocol.limits import MAX_PAGE_BYTES

if TYPE_CHECKING:
    from liaison.office.office import Office

_PEOPLE: Final = frozenset({Role.OFFICIAL, Role.HEAD})


class _Request:
    """The origin of one HTTP request's submission: its client learns of an unknown outcome by the answer itself."""

    def outcome_unknown(self) -> None:
        """Nothing to end: the answer says it."""


class Answers:
    """Carries out one command for an actor. Everything raises LiaisonError or LogUnavailableError."""

    def __init__(self, office: "Office") -> None:
        self._office = office

    # One case a command; splitting the table would only hide it.
    async def execute(  # noqa: C901, PLR0911, PLR0912
        self, actor: Actor, command: frames.Command
    ) -> frames.Reply:
        """Do it and give the reply."""
        match command:
            case frames.Publish():
                channel = self._office.registry.may(actor, Action.PUBLISH, command.channel)
                draft = self.text_draft(actor, channel, command)
                return await self._submit(command.id, channel, draft, command.attachments)
            case frames.Correct():
                return await self._correct(actor, command)
            case frames.Withdraw():
                return await self._withdraw(actor, command)
            case frames.React():
                return await self._react(actor, command)
            case frames.Read():
                return await self._read(actor, command)
            case frames.Typing():
                self._office.members.typing(actor, command.channel)
                return frames.Reply(id=command.id)
            case frames.History():
                return await self._history(actor, command)
            case frames.Search():
                return await self._search(actor, command)
            case frames.Channels():
                self._office.registry.may(actor, Action.LIST_CHANNELS)
                return frames.ChannelsReply(id=command.id, channels=await self.channel_list(actor))
            case frames.OpenDirect():
                return await self._open_direct(actor, command)
            case frames.Presence():
                self._office.registry.may(actor, Action.SEE_PRESENCE)
                return self._office.presence.reply(command.id, actor.account)
            case frames.PresenceStats():
                self._office.registry.may(actor, Action.SEE_PRESENCE)
                return self._office.presence.stats(command.id, actor.account)
            case frames.Ping():
                return frames.PingReply(id=command.id, time_ms=self._office.clock.wall_ms())
            case _:
                handler = self._office.handlers.get(type(command))
                if handler is None:
                    raise Refused(ErrorCode.INVALID, "this command needs a session")
                return await handler(actor, command)

    # --- what is written ------------------------------------------------------------------------------------------

    def text_draft(self, actor: Actor, channel: ChannelId, command: frames.Publish) -> Draft:
        """Check a publish and bring it into the form that is stored. Raises Refused."""
        if is_register(channel):
            raise Refused(ErrorCode.FORBIDDEN, "this channel is a register: it is written by its own commands")
        precedence = Precedence(command.precedence)
        if precedence is Precedence.LIFE_SAFETY and actor.account.role is Role.BOT:
            # It passes a suspension and every do-not-disturb: only a person may say that lives are at stake.
            raise Refused(ErrorCode.FORBIDDEN, "a bot sends nothing with the precedence of life safety")
        members = self._office.rights.members[channel]
        mentions = tuple(UserId(user) for user in dict.fromkeys(command.mentions))
        strangers = [user for user in mentions if user not in members]
        if strangers:
            raise Refused(ErrorCode.INVALID, f"{strangers[0]!r} is no member of this channel")
        check_names(command.attachments)
        return Draft(
            sender=actor.account.user,
            delegation=actor.account.delegation,
            key=command.key,
            kind=EntryKind.TEXT,
            text=_stored_text(command.text),
            ref=command.reply_to,
            mentions=mentions,
            precedence=precedence,
            data=data_of(command.attachments),
        )

    def attachments_check(
        self, channel: ChannelId, user: UserId, attachments: Sequence[frames.Attachment]
    ) -> Callable[[], Awaitable[None]] | None:
        """Give what makes sure of a message's attachments when it is its turn; None for a message that has none."""
        return partial(self._office.attachments.claim, channel, user, attachments) if attachments else None

    async def _submit(
        self, command_id: int, channel: ChannelId, draft: Draft, attachments: Sequence[frames.Attachment] = ()
    ) -> frames.PublishReply:
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Published] = loop.create_future()

        def done(published: Published) -> None:
            if not outcome.done():
                outcome.set_result(published)

        def failed(error: LiaisonError) -> None:
            if not outcome.done():
                outcome.set_exception(error)

        self._office.limit_user(draft.sender)
        check = self.attachments_check(channel, draft.sender, attachments)
        self._office.publisher.submit(channel, Submission(_Request(), draft, loop.time(), done, failed, check))
        return publish_reply(command_id, await outcome)

    async def _correct(self, actor: Actor, command: frames.Correct) -> frames.Reply:
        channel = self._office.registry.may(actor, Action.PUBLISH, command.channel)
        text = _stored_text(command.text)
        await self._own_text(actor, channel, command.seq)
        return await self._submit(command.id, channel, _about(actor, command, EntryKind.CORRECTION, text=text))

    async def _withdraw(self, actor: Actor, command: frames.Withdraw) -> frames.Reply:
        channel = self._office.registry.may(actor, Action.PUBLISH, command.channel)
        await self._own_text(actor, channel, command.seq, withdrawing_key=command.key)
        return await self._submit(command.id, channel, _about(actor, command, EntryKind.WITHDRAWAL))

    async def _react(self, actor: Actor, command: frames.React) -> frames.Reply:
        channel = self._office.registry.may(actor, Action.REACT, command.channel)
        if is_register(channel):
            raise Refused(ErrorCode.FORBIDDEN, "this channel is a register: it is written by its own commands")
        if not command.reaction.isprintable() or command.reaction.isspace():
            raise Refused(ErrorCode.INVALID, "a reaction is one printable symbol")
        await self._text_entry(channel, command.seq)
        draft = _about(actor, command, EntryKind.REACTION, reaction=command.reaction, removed=command.removed)
        return await self._submit(command.id, channel, draft)

    async def _text_entry(self, channel: ChannelId, seq: int) -> Draft:
        entry = await self._office.log.entry(channel, seq)
        if entry is None or entry.draft.kind is not EntryKind.TEXT:
            raise Refused(ErrorCode.NO_SUCH_MESSAGE, f"there is no message {seq} in this channel")
        return entry.draft

    async def _own_text(self, actor: Actor, channel: ChannelId, seq: int, *, withdrawing_key: str = "") -> None:
        draft = await self._text_entry(channel, seq)
        if draft.sender != actor.account.user:
            raise Refused(ErrorCode.NOT_AUTHOR, "only its author can change a message")
        # A repeat of the withdrawal itself must find its first result; the log decides that by the key.
        if not withdrawing_key and await self._office.log.withdrawn(channel, seq):
            raise Refused(ErrorCode.WITHDRAWN, "this message was withdrawn")

    async def _read(self, actor: Actor, command: frames.Read) -> frames.Reply:
        channel = self._office.registry.may(actor, Action.MARK_READ, command.channel)
        head = (await self._office.log.heads([channel]))[channel].seq
        account = actor.account
        seq = await self._office.reads.move(account.user, channel, min(command.seq, head))
        hint = ReadHint(channel, account.user, account.delegation, seq)
        self._office.members.show_read(hint)
        self._office.bus.publish(hint)
        return frames.Reply(id=command.id)

    # --- what is read ---------------------------------------------------------------------------------------------

    async def _history(self, actor: Actor, command: frames.History) -> frames.HistoryReply:
        channel = self._office.registry.may(actor, Action.READ, command.channel)
        if command.after is not None and command.before is not None:
            raise Refused(ErrorCode.INVALID, "give after or before, not both")
        page = await self._page(channel, command)
        # The right may have gone while the log was read.
        self._office.registry.may(actor, Action.READ, command.channel)
        messages = [message_of(entry, page.epoch) for entry in page.entries]
        return frames.HistoryReply(id=command.id, channel=channel, epoch=page.epoch, head=page.head, messages=messages)

    async def _page(self, channel: ChannelId, command: frames.History) -> Page:
        log = self._office.log
        if command.after is not None:
            return await log.read(channel, after=command.after, limit=command.limit, max_bytes=MAX_PAGE_BYTES)
        before = command.before
        if before is None:
            before = (await log.heads([channel]))[channel].seq + 1
        return await log.read_before(channel, before=before, limit=command.limit, max_bytes=MAX_PAGE_BYTES)

    async def _search(self, actor: Actor, command: frames.Search) -> frames.SearchReply:
        registry = self._office.registry
        if command.channel:
            channels = [registry.may(actor, Action.READ, command.channel)]
        else:
            mine = self._office.rights.channels_of(actor.account.user)
            channels = [channel for channel in mine if registry.allows(actor, Action.READ, channel)]
        before = command.before_ms
        found, more = await self._office.log.search(
            command.query, channels, before_ms=None if before is None else Millis(before), limit=command.limit
        )
        epochs = await self._office.log.heads(channels)
        if command.channel:
            # The right may have gone while the log was searched; then even `more` would tell something.
            registry.may(actor, Action.READ, command.channel)
        messages = [
            message_of(entry, epochs[entry.channel].epoch)
            for entry in found
            if registry.allows(actor, Action.READ, entry.channel)
        ]
        return frames.SearchReply(id=command.id, messages=messages, more=more)

    async def channel_list(self, actor: Actor) -> list[frames.ChannelInfo]:
        """Give the channels an actor may see."""
        user = actor.account.user
        registry = self._office.registry
        mine = self._office.rights.channels_of(user)
        return await self.describe(user, [name for name in mine if registry.allows(actor, Action.READ, name)])

    async def describe(self, user: UserId, channels: Iterable[ChannelId]) -> list[frames.ChannelInfo]:
        """Give channels as this member sees them; those they are no member of any more are left out."""
        wanted = list(channels)
        if not wanted:
            return []
        positions = self._office.hubs.known_heads(wanted)
        unknown = [channel for channel in wanted if channel not in positions]
        if unknown:
            positions.update(await self._office.log.heads(unknown))
        reads = await self._office.reads.of(user)
        joint = [channel for channel in wanted if kind_of(channel) is ChannelKind.JOINT]
        suspended = await self._office.log.suspended(joint) if joint else frozenset()
        rights = self._office.rights
        infos = []
        for channel in wanted:
            row, membership = rights.channels.get(channel), rights.membership(user, channel)
            if row is not None and membership is not None:
                position = positions[channel]
                read_seq, is_suspended = reads.get(channel, 0), channel in suspended
                infos.append(_channel_info(row, membership, position, read_seq, is_suspended=is_suspended))
        return infos

    async def _open_direct(self, actor: Actor, command: frames.OpenDirect) -> frames.OpenDirectReply:
        office, user = self._office, actor.account.user
        office.registry.may(actor, Action.OPEN_DIRECT)
        try:
            channel = direct_channel([user, *(parse_user(name) for name in command.users)])
        except ValueError as error:
            raise Refused(ErrorCode.INVALID, str(error)) from error
        if channel not in office.rights.channels:
            people = members_of_direct(channel)
            for person in people:
                account = office.rights.accounts.get(person)
                if account is None or not account.active or account.role not in _PEOPLE:
                    raise Refused(ErrorCode.NO_SUCH_USER, f"there is nobody called {person!r} to write to")
            try:
                row = Channel(channel, title_ko="", title_en="", open_to_all=False)
                with suppress(AlreadyExistsError):
                    await office.directory.add_channel(row, {person: Membership() for person in people}, actor=user)
                await office.registry.refresh()
            except DirectoryUnavailableError as error:
                raise Unavailable("accounts can't be written at the moment") from error
            office.bus.publish(DirectoryHint(office.rights.revision))
        infos = await self.describe(user, [channel])
        if not infos:
            raise Refused(ErrorCode.NO_SUCH_CHANNEL, "there is no such channel")
        return frames.OpenDirectReply(id=command.id, channel=infos[0])


def person_info(account: Account) -> frames.PersonInfo:
    """Give an account as everybody in the office sees it."""
    return frames.PersonInfo(account.user, account.name, account.delegation, account.role.value)


def _stored_text(text: str) -> str:
    try:
        return clean_text(text)
    except ValueError as error:
        code = ErrorCode.TOO_LARGE if isinstance(error, TooLongError) else ErrorCode.INVALID
        raise Refused(code, str(error)) from error


def _about(
    actor: Actor,
    command: frames.Correct | frames.Withdraw | frames.React,
    kind: EntryKind,
    *,
    text: str = "",
    reaction: str = "",
    removed: bool = False,
) -> Draft:
    account = actor.account
    return Draft(
        sender=account.user,
        delegation=account.delegation,
        key=command.key,
        kind=kind,
        text=text,
        ref=command.seq,
        reaction=reaction,
        removed=removed,
    )


def _channel_info(
    row: Channel, membership: Membership, position: Position, read_seq: int, *, is_suspended: bool
) -> frames.ChannelInfo:
    kind = kind_of(row.channel)
    members: list[str] = [*members_of_direct(row.channel)] if kind is ChannelKind.DIRECT else []
    return frames.ChannelInfo(
        channel=row.channel,
        kind=kind.value,
        title=frames.Title(row.title_ko, row.title_en),
        epoch=position.epoch,
        head=position.seq,
        read_seq=read_seq,
        can_write=membership.can_write and not is_register(row.channel),
        members=members,
        suspended=is_suspended,
        is_register=is_register(row.channel),
    )
