"""Typed frames: what each command, reply and push carries. (PROTOCOL.md §4 to §6)

Commands forbid unknown fields and bound every string, so that a hostile frame is refused while it is being decoded.
Replies and pushes are only ever encoded here; they leave out fields that have their default.
"""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from liaison.protocol import limits

CommandId = Annotated[int, Meta(ge=1, le=limits.MAX_SAFE_INTEGER)]
Seq = Annotated[int, Meta(ge=0, le=limits.MAX_SAFE_INTEGER)]
Channel = Annotated[str, Meta(min_length=1, max_length=limits.MAX_CHANNEL_CHARS)]
User = Annotated[str, Meta(min_length=1, max_length=limits.MAX_USER_CHARS)]
Key = Annotated[str, Meta(min_length=1, max_length=limits.MAX_KEY_CHARS)]
# How long it may be is counted in bytes of the stored form, by `core/identifiers.py`, which tells `too_large` from
# `invalid`. The schema has a bound for those who read it.
Text = Annotated[str, Meta(min_length=1, extra_json_schema={"maxLength": limits.MAX_TEXT_BYTES})]
Mentions = Annotated[list[User], Meta(max_length=limits.MAX_MENTIONS)]
PageLimit = Annotated[int, Meta(ge=1, le=limits.MAX_PAGE_MESSAGES)]
Availability = Literal["active", "idle", "away", "dnd"]
# The empty one is routine.
PrecedenceName = Literal["", "priority", "flash", "life_safety"]


class WirePosition(Struct, frozen=True, forbid_unknown_fields=True):
    """`{epoch, seq}`: everything up to and including seq has been seen."""

    epoch: Seq
    seq: Seq


class Attachment(Struct, frozen=True, forbid_unknown_fields=True):
    """A file as an entry names it; the content is had by its `sha256`, 64 hexadecimal digits."""

    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    name: Annotated[str, Meta(min_length=1, max_length=limits.MAX_ATTACHMENT_NAME_BYTES)]
    media_type: Annotated[str, Meta(min_length=1, max_length=limits.MAX_MEDIA_TYPE_CHARS)]
    size_bytes: Annotated[int, Meta(ge=1, le=limits.MAX_SAFE_INTEGER)]


Attachments = Annotated[list[Attachment], Meta(max_length=limits.MAX_ATTACHMENTS)]


class Command(Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    """What a client asks; answered by exactly one reply or error with the same id."""

    id: CommandId


class Connect(Command, frozen=True, tag="connect"):
    """Must be the first command. Without `token` the upgrade request's cookie or Authorization header counts."""

    token: Annotated[str, Meta(max_length=limits.MAX_TOKEN_CHARS)] = ""
    client: Annotated[str, Meta(max_length=limits.MAX_CLIENT_CHARS)] = ""
    device: Annotated[str, Meta(max_length=limits.MAX_CLIENT_CHARS)] = ""


class Subscribe(Command, frozen=True, tag="subscribe"):
    """Follow a channel: after `position` if given, else the last `tail` messages and what comes then."""

    channel: Channel
    position: WirePosition | None = None
    tail: Annotated[int, Meta(ge=0, le=limits.MAX_TAIL_MESSAGES)] = 0


class Unsubscribe(Command, frozen=True, tag="unsubscribe"):
    """Stop following; no error when one wasn't."""

    channel: Channel


class Publish(Command, frozen=True, tag="publish"):
    """Say something. A repeat with the same key and body gives the first result with `duplicate`.

    `attachments` are what the sender's own uploads to this channel were answered with.
    """

    channel: Channel
    key: Key
    text: Text
    reply_to: Seq = 0
    mentions: Mentions = []
    precedence: PrecedenceName = ""
    attachments: Attachments = []


class Correct(Command, frozen=True, tag="correct"):
    """Put another text in the place of one's own earlier message; both stay on the record."""

    channel: Channel
    key: Key
    seq: Seq
    text: Text


class Withdraw(Command, frozen=True, tag="withdraw"):
    """Withdraw one's own earlier message: clients show a tombstone, the record keeps the text."""

    channel: Channel
    key: Key
    seq: Seq


class React(Command, frozen=True, tag="react"):
    """Add one's reaction to a message, or take it back with `removed`."""

    channel: Channel
    key: Key
    seq: Seq
    reaction: Annotated[str, Meta(min_length=1, max_length=limits.MAX_REACTION_CHARS)]
    removed: bool = False


class Read(Command, frozen=True, tag="read"):
    """Everything up to seq has been read at an attended screen; never goes back."""

    channel: Channel
    seq: Seq


class Typing(Command, frozen=True, tag="typing"):
    """Say that one is writing; shown to one's own side only, for 6 seconds."""

    channel: Channel


class History(Command, frozen=True, tag="history"):
    """One page: rising from `after`, or the page that ends just before `before`; neither is the newest page."""

    channel: Channel
    after: Seq | None = None
    before: Seq | None = None
    limit: PageLimit = limits.DEFAULT_PAGE_MESSAGES


class Search(Command, frozen=True, tag="search"):
    """Find messages in one channel or in all of one's own; newest first, then page by `before_ms`."""

    query: Annotated[str, Meta(min_length=1, max_length=limits.MAX_QUERY_CHARS)]
    channel: Annotated[str, Meta(max_length=limits.MAX_CHANNEL_CHARS)] = ""
    before_ms: Seq | None = None
    limit: PageLimit = limits.DEFAULT_PAGE_MESSAGES


class Channels(Command, frozen=True, tag="channels"):
    """The channels one may see, with heads and one's own read positions."""


class OpenDirect(Command, frozen=True, tag="open_direct"):
    """Give the direct channel with these people, made on first use."""

    users: Annotated[list[User], Meta(min_length=1, max_length=limits.MAX_DIRECT_MEMBERS)]


class Presence(Command, frozen=True, tag="presence"):
    """Presence as one may see it; with `watch`, differences follow as pushes."""

    watch: bool = True


class PresenceStats(Command, frozen=True, tag="presence_stats"):
    """How many are online on each side, as far as one may see."""


class SetAvailability(Command, frozen=True, tag="availability"):
    """What this device says of its person; a user's devices are merged, the most available one counts."""

    state: Availability


class WatchSessions(Command, frozen=True, tag="watch_sessions"):
    """Ops only: the sessions of the office; with `watch`, differences follow as pushes.

    Of too many the most telling are shown; those of `user` are, in any case.
    """

    watch: bool = True
    user: Annotated[str, Meta(max_length=limits.MAX_USER_CHARS)] = ""


class WatchStatistics(Command, frozen=True, tag="watch_statistics"):
    """Ops only: this node's figures of the last quarter of an hour; with `watch`, each new step follows as a push."""

    watch: bool = True


class PresenceLog(Command, frozen=True, tag="presence_log"):
    """Ops only: who came, wavered and went, when and why; newest first, then page by the last one's number."""

    user: Annotated[str, Meta(max_length=limits.MAX_USER_CHARS)] = ""
    before_ms: Seq | None = None
    before: Seq | None = None
    limit: PageLimit = limits.DEFAULT_PAGE_MESSAGES


class Disconnect(Command, frozen=True, tag="disconnect"):
    """Ops only: end one session, at whichever node; its client may come back at once."""

    session: Annotated[str, Meta(min_length=1, max_length=limits.MAX_SESSION_CHARS)]


class Revoke(Command, frozen=True, tag="revoke"):
    """Ops only: end everything that lets somebody in, and with it all their sessions, for a reason that is audited."""

    user: User
    reason: Annotated[str, Meta(min_length=1, max_length=limits.MAX_REASON_CHARS)]


class Ping(Command, frozen=True, tag="ping"):
    """Answered at once; gives the server's time."""


AnyCommand = (
    Connect
    | Subscribe
    | Unsubscribe
    | Publish
    | Correct
    | Withdraw
    | React
    | Read
    | Typing
    | History
    | Search
    | Channels
    | OpenDirect
    | Presence
    | PresenceStats
    | SetAvailability
    | WatchSessions
    | WatchStatistics
    | PresenceLog
    | Disconnect
    | Revoke
    | Ping
)


class Reply(Struct, frozen=True, tag_field="type", tag="reply", kw_only=True, omit_defaults=True):
    """The good answer to a command; subclasses add what the command gives."""

    id: int


class Title(Struct, frozen=True):
    """A name in both languages of the interface."""

    ko: str
    en: str


class DelegationInfo(Struct, frozen=True):
    """One delegation as the office's configuration presents it."""

    id: str
    title: Title
    colour: str
    time_zone: str


class PersonInfo(Struct, frozen=True):
    """Somebody one shares the office with: for names beside messages and for mentions."""

    user: str
    name: str
    delegation: str
    role: str


class ChannelInfo(Struct, frozen=True, omit_defaults=True):
    """A channel one may see. `read_seq` is one's own read position; unread is `head - read_seq`."""

    channel: str
    kind: Literal["joint", "side", "direct"]
    title: Title
    epoch: int
    head: int
    read_seq: int
    can_write: bool = True
    members: list[str] = []
    suspended: bool = False
    # Written by its register's own commands only, and shown by its own view.
    is_register: bool = False


class ConnectReply(Reply, frozen=True, kw_only=True):
    """Who one is, and the terms of this connection."""

    session: str
    user: str
    name: str
    delegation: str
    role: str
    office: Title
    delegations: list[DelegationInfo]
    # Already encoded, because it is the same for everybody.
    people: list[PersonInfo] | Raw
    channels: list[ChannelInfo]
    server_time_ms: int
    ping_interval_ms: int
    pong_timeout_ms: int
    limits: dict[str, int]
    capabilities: list[str]


class SubscribeReply(Reply, frozen=True, kw_only=True, omit_defaults=True):
    """Messages after `from_seq` follow as pushes; `head` is where the channel stood.

    `reads` is how far each of the own side has read, `side_reads` how far the other side as a whole. Pushes follow.
    """

    channel: str
    epoch: int
    head: int
    from_seq: int
    reads: dict[str, int] = {}
    side_reads: dict[str, int] = {}


class PublishReply(Reply, frozen=True, kw_only=True):
    """The message is durable. `duplicate`: it already was, and this is where.

    `held`: the channel is suspended, seq is 0, and the message follows with the same key once it is resumed.
    """

    seq: int
    epoch: int
    time_ms: int
    held: bool = False
    # A literal false matters to scripts that read the field, so it has no default to be left out by.
    duplicate: bool


class ChannelsReply(Reply, frozen=True, kw_only=True):
    channels: list[ChannelInfo]


class OpenDirectReply(Reply, frozen=True, kw_only=True):
    channel: ChannelInfo


class Message(Struct, frozen=True, tag_field="type", tag="message", omit_defaults=True):
    """An entry of a channel's log, as a push, in a page of history and in an export.

    `link` is 32 bytes: msgpack bin, base64 in JSON.
    """

    channel: str
    epoch: int
    seq: int
    time_ms: int
    sender: str
    delegation: str
    key: str
    kind: str
    link: bytes
    text: str = ""
    ref: int = 0
    reaction: str = ""
    removed: bool = False
    mentions: tuple[str, ...] = ()
    precedence: str = ""
    # Canonical JSON text: a register's event, or what is attached to a message.
    data: str = ""


class HistoryReply(Reply, frozen=True, kw_only=True):
    """`messages` in rising seq; `head` is the channel's last seq."""

    channel: str
    epoch: int
    head: int
    messages: list[Message]


class SearchReply(Reply, frozen=True, kw_only=True):
    """Newest first; with `more`, go on with the last one's `time_ms` as `before_ms`."""

    messages: list[Message]
    more: bool


class PresenceUser(Struct, frozen=True, omit_defaults=True):
    """One person's presence as the viewer may see it.

    Own side and ops also see availability and devices; ops alone see since when and the cause of the last change.
    """

    user: str
    delegation: str
    connectivity: Literal["online", "unconfirmed"]
    availability: str = ""
    devices: int = 0
    since_ms: int = 0
    cause: str = ""


class PresenceLeave(Struct, frozen=True, omit_defaults=True):
    """Somebody went offline; ops alone see why and when."""

    user: str
    delegation: str
    cause: str = ""
    time_ms: int = 0


class SidePresence(Struct, frozen=True, omit_defaults=True):
    """A delegation as a whole, at the granularity the viewer has of it: `named`, `count` or `staffed`."""

    delegation: str
    granularity: Literal["named", "count", "staffed"]
    staffed: bool
    # None where the granularity does not tell.
    online: int | None = None


class PresenceReply(Reply, frozen=True, kw_only=True):
    """A snapshot; `stale_since_ms` is set while the feed can't be trusted: show "unknown", not the last colour."""

    epoch: str
    version: int
    users: list[PresenceUser]
    sides: list[SidePresence]
    stale_since_ms: int = 0


class PresenceStatsReply(Reply, frozen=True, kw_only=True):
    sides: list[SidePresence]
    stale_since_ms: int = 0


class SessionInfo(Struct, frozen=True, omit_defaults=True):
    """One live session, for ops. `address_class` is loopback, private or public: never the address."""

    session: str
    user: str
    delegation: str
    role: str
    client: str
    device: str
    node: str
    transport: str
    address_class: str
    since_ms: int
    subscriptions: int
    buffered_bytes: int = 0
    # How many messages it has yet to get in the channels where it is behind.
    lag_messages: int = 0


class NodeSessions(Struct, frozen=True, omit_defaults=True):
    """How far a node's sessions are known: it holds `total`, shown or not.

    `asked` has not told them yet; of one that is `silent` what is shown is as of `silent_since_ms`.
    """

    node: str
    total: int
    state: Literal["current", "asked", "silent"]
    silent_since_ms: int = 0


class SessionsReply(Reply, frozen=True, kw_only=True):
    version: int
    sessions: list[SessionInfo]
    nodes: list[NodeSessions]


class SideStatistics(Struct, frozen=True, omit_defaults=True):
    """One side in one step: its sessions at the end, what it published, and how long its acknowledgements took.

    Latencies are None where nothing was measured.
    """

    delegation: str
    sessions: int
    published: int = 0
    ack_p50_us: int | None = None
    ack_p99_us: int | None = None


class DirectionStatistics(Struct, frozen=True, omit_defaults=True):
    """One direction in one step: messages handed to sockets, and how long that took from their commit on."""

    sender: str
    receiver: str
    deliveries: int = 0
    seen_p50_us: int | None = None
    seen_p99_us: int | None = None


class StatisticsStep(Struct, frozen=True, omit_defaults=True):
    """What one node did in one step, which ended at `time_ms` (wall clock) and took `span_ms`.

    `reasons` (why it should get no new clients) and `buffered_bytes` are looked at only while somebody watches.
    """

    number: int
    time_ms: int
    span_ms: int
    sides: list[SideStatistics]
    directions: list[DirectionStatistics]
    sessions: int
    caught_up: int = 0
    slow_consumers: int = 0
    hints_missed: int = 0
    loop_lag_ms: int = 0
    buffered_bytes: int | None = None
    refusals: dict[str, int] = {}
    appends: dict[str, int] = {}
    reasons: list[str] = []


class NodeStatistics(Struct, frozen=True):
    """Another node, and those of its steps that were heard of, oldest first."""

    node: str
    steps: list[StatisticsStep]


class StatisticsReply(Reply, frozen=True, kw_only=True, omit_defaults=True):
    """The node that was asked, and its steps, oldest first; each about `step_ms` long. `others` are those alive."""

    node: str
    step_ms: int
    steps: list[StatisticsStep]
    others: list[NodeStatistics] = []


class PresenceEvent(Struct, frozen=True):
    """One person's connectivity changed, at `time_ms` (wall clock) and for this cause. Numbers rise by one."""

    number: int
    time_ms: int
    user: str
    delegation: str
    connectivity: Literal["online", "unconfirmed", "offline"]
    cause: str


class PresenceLogReply(Reply, frozen=True, kw_only=True):
    """Newest first. `since_ms`: before that the node that was asked knows nothing."""

    node: str
    since_ms: int
    events: list[PresenceEvent]
    more: bool


class RevokeReply(Reply, frozen=True, kw_only=True):
    """How many tokens and sign-ins ended."""

    ended: int


class PingReply(Reply, frozen=True, kw_only=True):
    time_ms: int


class ErrorReply(Struct, frozen=True, tag_field="type", tag="error", omit_defaults=True):
    """The bad answer to a command. `id` is 0 when the frame had none that could be read."""

    id: int
    code: int
    name: str
    message: str
    temporary: bool
    ref: str
    retry_after_ms: int | None = None


class PresenceSnapshot(Struct, frozen=True, tag_field="type", tag="presence_snapshot", omit_defaults=True):
    """Replaces everything known of presence: the feed could not go on by differences."""

    epoch: str
    version: int
    users: list[PresenceUser]
    sides: list[SidePresence]
    stale_since_ms: int = 0


class PresenceDiff(Struct, frozen=True, tag_field="type", tag="presence_diff", omit_defaults=True):
    """Leads from `from_version` to `version`; `joins` also carries people who changed. Apply joins before leaves."""

    epoch: str
    from_version: int
    version: int
    joins: list[PresenceUser]
    leaves: list[PresenceLeave]
    sides: list[SidePresence]


class TypingPush(Struct, frozen=True, tag_field="type", tag="typing"):
    channel: str
    user: str


class ReadPush(Struct, frozen=True, tag_field="type", tag="read", omit_defaults=True):
    """A read position moved: with `user` for the own side, without for the other side as a whole."""

    channel: str
    delegation: str
    seq: int
    user: str = ""


class ChannelPush(Struct, frozen=True, tag_field="type", tag="channel", omit_defaults=True):
    """A channel came (`added`), went (`removed`) or changed for this user."""

    event: Literal["added", "removed", "changed"]
    channel: str
    info: ChannelInfo | None = None


class SessionsDiff(Struct, frozen=True, tag_field="type", tag="sessions_diff", omit_defaults=True):
    """Ops only: leads from `from_version` to `version`; `opened` also carries sessions that changed.

    `nodes` are all of them, and left out where nothing changed about them.
    """

    from_version: int
    version: int
    opened: list[SessionInfo]
    closed: list[str]
    nodes: list[NodeSessions] = []


class Statistics(Struct, frozen=True, tag_field="type", tag="statistics"):
    """Ops only: the step that has just ended, at the node that was asked or at another."""

    node: str
    step: StatisticsStep


class Notice(Struct, frozen=True, tag_field="type", tag="notice"):
    """Something everybody at a screen should know, in both languages."""

    severity: Literal["info", "warning", "alarm"]
    name: str
    text: Title


class Reset(Struct, frozen=True, tag_field="type", tag="reset"):
    """The position given is of another epoch: forget what was cached; messages after `seq` of `epoch` follow."""

    channel: str
    epoch: int
    seq: int


class GoAway(Struct, frozen=True, tag_field="type", tag="go_away"):
    """The server will close with `code`; come back after `reconnect_after_ms`, -1 is never."""

    code: int
    reason: str
    reconnect_after_ms: int


AnyPush = (
    Message
    | PresenceSnapshot
    | PresenceDiff
    | TypingPush
    | ReadPush
    | ChannelPush
    | SessionsDiff
    | Statistics
    | Notice
    | Reset
    | GoAway
)
