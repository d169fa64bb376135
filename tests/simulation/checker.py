"""Holds a history against what is promised. (PROTOCOL.md §5, §6)

C1 acknowledged ⊆ log · C2 keys unique, the ack's seq is the log's · C3 the log is 1..head · C4 each reader's view is
one contiguous run of the log with equal bodies · C5 ack(m1) before send(m2) ⇒ seq1 < seq2, and a sender's messages keep
their order unless one was refused · C6 nothing received that is not in the log · L1 after healing every reader is at
the head, every outbox empty, and nothing held any more · H1 held ⊆ log · H2 released once · H3 held(m1) before send(m2)
⇒ seq1 < seq2 · H4 a channel takes nothing between a suspension and its resumption, and they take turns · P1 presence
equals the truth · P2 nobody shown offline for an outage shorter than the grace · P3 presence versions contiguous, or a
snapshot.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from liaison.core.identifiers import OFFICE
from tests.simulation.history import Event

# A node that crashes may have renewed its 9 s lease up to 3 s before, so its people can go offline 6 s after.
SHORTEST_GRACE_S = 5.5
# A put that was on its way when the diff was made.
PRESENCE_LATENCY_S = 1.5
# For so long a stalled link keeps a diff from a viewer at most.
STALL_S = 2.5


@dataclass(frozen=True, slots=True)
class LogRow:
    """An entry of the final log."""

    channel: str
    seq: int
    sender: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Restore:
    """A backup was brought back: `epoch` began behind the seqs in `kept`, by channel; `lost` had stood there before."""

    epoch: int
    kept: Mapping[str, int]
    lost: Mapping[tuple[str, int], LogRow]

    def took(self, epoch: int, channel: str, seq: int) -> bool:
        """Whether it took away what had this place in this epoch."""
        return epoch < self.epoch and seq > self.kept.get(channel, 0)


@dataclass
class FinalState:
    """What stands once the dust has settled: the log, and what each client thinks."""

    rows: Sequence[LogRow]
    cursors: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    outboxes: Mapping[str, int] = field(default_factory=dict)
    online: frozenset[str] = frozenset()
    shown_online: Mapping[str, frozenset[str]] = field(default_factory=dict)
    # How much each client was told is held and never got.
    held: Mapping[str, int] = field(default_factory=dict)
    # In their order.
    restores: Sequence[Restore] = ()

    def stands(self, epoch: int, channel: str, seq: int) -> bool:
        """Whether no later restore took this place away."""
        return not any(restore.took(epoch, channel, seq) for restore in self.restores)

    def row_at(self, epoch: int, channel: str, seq: int) -> LogRow | None:
        """Give what stood at a place while an epoch lasted."""
        for restore in self.restores:
            if restore.took(epoch, channel, seq):
                return restore.lost.get((channel, seq))
        return self._places.get((channel, seq))

    @cached_property
    def _places(self) -> Mapping[tuple[str, int], LogRow]:
        return {(row.channel, row.seq): row for row in self.rows}


def violations(events: Iterable[Event], final: FinalState) -> list[str]:
    """Give every broken promise, as `NAME what`; an empty list is a run without any.

    `events` are gone through several times, and may be in a file.
    """
    return [
        *_check_log(final.rows),
        *_check_acks(events, final),
        *_check_views(events, final),
        *_check_order(events, final),
        *_check_held(events, final),
        *_check_suspensions(final.rows),
        *_check_liveness(final),
        *(f"L1 the heads never came to an end: {event['reason']}" for event in events if event["kind"] == "stuck"),
        *_check_presence(events, final),
    ]


def _check_log(rows: Sequence[LogRow]) -> Iterable[str]:
    seqs: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        seqs[row.channel].append(row.seq)
    for channel, found in seqs.items():
        if found != list(range(1, len(found) + 1)):
            yield f"C3 {channel} is not 1..{len(found)}"
    # The text names the message, so a message stored twice shows even under two keys.
    for (channel, sender, text), times in Counter((row.channel, row.sender, row.text) for row in rows).items():
        # What suspends and resumes has no text.
        if text and times > 1:
            yield f"C2 {sender} is {times} times in {channel}: {text}"


def _check_acks(events: Iterable[Event], final: FinalState) -> Iterable[str]:
    place = {(row.channel, row.sender, row.key): row for row in final.rows}
    for event in events:
        if event["kind"] == "ack":
            row = place.get((event["channel"], event["client"], event["key"]))
            then = final.row_at(event.get("epoch", 0), event["channel"], event["seq"])
            if row is None:
                # A restore is no excuse: who still runs has offered it again.
                yield f"C1 acknowledged and lost: {event['key']} of {event['client']}"
            elif then is None or (then.sender, then.key) != (event["client"], event["key"]):
                yield f"C2 {event['key']} was acknowledged as {event['seq']} and is {row.seq}"


def _check_views(events: Iterable[Event], final: FinalState) -> Iterable[str]:
    last: dict[tuple[str, str], int] = {}
    for event in events:
        if event["kind"] == "duplicate_recv":
            yield f"C4 {event['client']} got {event['channel']} {event['seq']} twice"
        if event["kind"] == "reset":
            last[event["client"], event["channel"]] = event["seq"]
        if event["kind"] != "recv":
            continue
        reader = event["client"], event["channel"]
        row = final.row_at(event.get("epoch", 0), event["channel"], event["seq"])
        if row is None or (row.sender, row.key) != (event["sender"], event["key"]):
            yield f"C6 {event['client']} got what is not in the log: {event['channel']} {event['seq']}"
        elif row.text != event["text"]:
            yield f"C4 {event['client']} got another text at {event['channel']} {event['seq']}"
        if reader in last and event["seq"] != last[reader] + 1:
            yield f"C4 {event['client']} saw {event['channel']} {last[reader]} then {event['seq']}"
        last[reader] = event["seq"]


def _check_order(events: Iterable[Event], final: FinalState) -> Iterable[str]:
    place = {(row.channel, row.sender, row.key): row.seq for row in final.rows}
    acknowledged: dict[str, int] = defaultdict(int)
    floor: dict[tuple[str, str, str], int] = {}
    refused = _refused(events)
    sent_last: dict[tuple[str, str], int] = {}
    for event in events:
        if event["kind"] == "send":
            name = event["channel"], event["client"], event["key"]
            floor[name] = acknowledged[event["channel"]]
            seq = place.get(name)
            if seq is None or name in refused:
                continue
            if seq <= floor[name]:
                yield f"C5 {event['key']} was sent after {floor[name]} was acknowledged and is {seq}"
            sender = event["channel"], event["client"]
            if seq <= sent_last.get(sender, 0):
                yield f"C5 {event['client']} sent {event['key']} later, and it stands earlier in {event['channel']}"
            sent_last[sender] = max(seq, sent_last.get(sender, 0))
        elif event["kind"] == "ack" and final.stands(event.get("epoch", 0), event["channel"], event["seq"]):
            acknowledged[event["channel"]] = max(acknowledged[event["channel"]], event["seq"])


def _refused(events: Iterable[Event]) -> set[tuple[str, str, str]]:
    """Give what was refused, or may have been: with a message go those that its sender had queued behind it.

    Their refusals may never have been heard, as the line can break before the answers.
    """
    refused: set[tuple[str, str, str]] = set()
    waiting: dict[tuple[str, str], set[str]] = defaultdict(set)
    for event in events:
        if event["kind"] not in ("send", "ack", "refused"):
            continue
        sender, key = (event["channel"], event["client"]), event["key"]
        if event["kind"] == "send":
            waiting[sender].add(key)
        elif event["kind"] == "ack":
            waiting[sender].discard(key)
        else:
            refused |= {(*sender, other) for other in (key, *waiting[sender])}
    return refused


def _check_held(events: Iterable[Event], final: FinalState) -> Iterable[str]:
    place = {(row.channel, row.sender, row.key): row.seq for row in final.rows}
    texts = Counter((row.channel, row.sender, row.text) for row in final.rows)
    held: dict[str, int] = defaultdict(int)
    for event in events:
        if event["kind"] not in ("held", "send"):
            continue
        channel, client, key = event["channel"], event["client"], event["key"]
        seq = place.get((channel, client, key))
        if event["kind"] == "send":
            if seq is not None and seq <= held[channel]:
                yield f"H3 {key} was sent after {held[channel]} was held and is {seq}"
            continue
        if seq is None:
            yield f"H1 held and lost: {key} of {client}"
        elif final.stands(event.get("epoch", 0), channel, seq):
            held[channel] = max(held[channel], seq)
        if texts[channel, client, event["text"]] > 1:
            yield f"H2 {client} had {key} held in {channel} and released more than once"


def _check_suspensions(rows: Sequence[LogRow]) -> Iterable[str]:
    suspended: dict[str, bool] = defaultdict(bool)
    for row in sorted(rows, key=lambda row: (row.channel, row.seq)):
        closes, opens = (row.sender == OFFICE and row.key.endswith(end) for end in (" suspends", " resumes"))
        if suspended[row.channel] is not opens:
            yield f"H4 {row.channel} {row.seq} stands where nothing could: {row.key}"
        suspended[row.channel] = closes or (suspended[row.channel] and not opens)


def _check_liveness(final: FinalState) -> Iterable[str]:
    heads: dict[str, int] = defaultdict(int)
    for row in final.rows:
        heads[row.channel] = max(heads[row.channel], row.seq)
    for client, cursors in final.cursors.items():
        for channel, cursor in cursors.items():
            if cursor != heads[channel]:
                yield f"L1 {client} is at {cursor} of {heads[channel]} in {channel}"
    for client, unreleased in final.held.items():
        if unreleased:
            yield f"L1 {client} never got {unreleased} that were held"
    for client, waiting in final.outboxes.items():
        if waiting:
            yield f"L1 {client} still has {waiting} to send"


def _check_presence(events: Iterable[Event], final: FinalState) -> Iterable[str]:
    for viewer, shown in final.shown_online.items():
        if shown != final.online:
            yield f"P1 {viewer} sees {sorted(shown ^ final.online)} wrongly"
    down_since: dict[str, float] = {}
    up_since: dict[str, float] = {}
    stalled_until = 0.0
    for event in events:
        match event["kind"]:
            case "fault" if event["fault"] == "stalled link":
                stalled_until = event["at"] + STALL_S
            case "link_up":
                down_since.pop(event["client"], None)
                up_since[event["client"]] = event["at"]
            case "link_down":
                up_since.pop(event["client"], None)
                down_since.setdefault(event["client"], event["at"])
            case "presence" if event["gap"]:
                yield f"P3 {event['client']} got a diff from {event['from']} at version {event['at_version']}"
            case "presence":
                for user in event["left"]:
                    up, down = up_since.get(user), down_since.get(user)
                    late_s = PRESENCE_LATENCY_S + (STALL_S if event["at"] <= stalled_until else 0)
                    if up is not None and event["at"] - up > late_s:
                        yield f"P2 {user} was shown offline while connected, {event['at'] - up:.1f} s long"
                    elif down is not None and event["at"] - down < SHORTEST_GRACE_S:
                        yield f"P2 {user} was shown offline {event['at'] - down:.1f} s after the link broke"
            case _:
                pass
