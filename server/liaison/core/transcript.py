"""A channel's record as a file, and the proof that nobody changed it. (PROTOCOL.md §5.5)

A transcript is NDJSON: a header, one message a line from seq 1 on, and a trailer with the last seq and its link. Who
compares the trailer's link with the one that the other side kept knows that both have the same record.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec

from liaison.core.chain import GENESIS, link_of
from liaison.core.entries import Draft, Entry, EntryKind, Precedence
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.messages import message_of
from liaison.protocol.frames import Message

FORMAT: Final = 1


class Header(msgspec.Struct, frozen=True, tag_field="type", tag="transcript", forbid_unknown_fields=True):
    """The first line. `count` messages follow; `exported_by` is a user id or empty for the command line."""

    format: int
    channel: str
    epoch: int
    count: int
    exported_by: str


class Trailer(msgspec.Struct, frozen=True, tag_field="type", tag="end", forbid_unknown_fields=True):
    """The last line: the seq and the link of the last message, 0 and 32 zero bytes for none."""

    seq: int
    link: bytes


class Fault(Enum):
    """What is wrong with a transcript."""

    MALFORMED = "malformed"
    GAP = "gap"
    REORDERED = "reordered"
    DUPLICATED = "duplicated"
    CHANGED = "changed"
    TRUNCATED = "truncated"
    TRAILING = "trailing garbage"
    # See record_check.
    FORGED = "forged signature"
    FORKED = "not what was signed"


class TranscriptError(ValueError):
    """The first line, counted from 1, that is not as it was written, and why."""

    def __init__(self, line: int, fault: Fault, detail: str) -> None:
        super().__init__(f"line {line}: {fault.value}: {detail}")
        self.line = line
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Verified:
    """What a sound transcript is of, and where it ends."""

    channel: ChannelId
    epoch: int
    seq: int
    link: bytes


class Transcriber:
    """Turns entries into lines, each with its line feed; first `header`, then each entry in order, then `trailer`."""

    def __init__(self, channel: ChannelId, epoch: int, count: int, exported_by: str) -> None:
        self._header: Final = Header(FORMAT, channel, epoch, count, exported_by)
        self._last = Trailer(0, GENESIS)

    def header(self) -> bytes:
        """Give the first line."""
        return _encode(self._header) + b"\n"

    def line(self, entry: Entry) -> bytes:
        """Give an entry's line."""
        self._last = Trailer(entry.seq, entry.link)
        return _encode(message_of(entry, self._header.epoch)) + b"\n"

    def trailer(self) -> bytes:
        """Give the last line."""
        return _encode(self._last) + b"\n"


_encode: Final = msgspec.json.Encoder().encode
_decode_header: Final = msgspec.json.Decoder(Header).decode
_decode_line: Final[msgspec.json.Decoder[Message | Trailer]] = msgspec.json.Decoder(Message | Trailer)


def read_line(text: bytes) -> Message | Trailer | None:
    """Give what a line of a transcript that verifies holds; None for the header."""
    try:
        return _decode_line.decode(text)
    except msgspec.MsgspecError:
        return None


def verify(lines: Iterable[bytes], look: Callable[[int, Message], None] = lambda _line, _message: None) -> Verified:
    """Recompute every link of a transcript; needs nothing but the file.

    `look` is shown each message that follows on those before it, with its line; what it raises comes out here.

    Any change of a line is found, except that whoever rewrites the whole rest of the file with new links leaves a sound
    file with another last link: compare that with a link that was kept elsewhere.

    Raises TranscriptError, which names the first bad line.
    """
    numbered = enumerate(lines, 1)
    header = _header(numbered)
    channel = ChannelId(header.channel)
    seq, link, line = 0, GENESIS, 1
    for line, text in numbered:
        record = _record(line, text)
        if isinstance(record, Trailer):
            _check_trailer(line, record, header, (seq, link))
            _check_nothing_follows(numbered)
            return Verified(channel, header.epoch, seq, link)
        _check_order(line, record, header, seq)
        if record.seq > seq + 1:
            raise _gap_or_disorder(line, record.seq, seq + 1, numbered)
        link = _checked_link(line, record, channel, link)
        seq = record.seq
        look(line, record)
    raise TranscriptError(line + 1, Fault.TRUNCATED, f"the file ends after message {seq} of {header.count}")


def messages(lines: Iterable[bytes]) -> Iterator[Message]:
    """Give the messages of a transcript that `verify` has found sound; what is none is left out."""
    for line in lines:
        with suppress(msgspec.MsgspecError, UnicodeDecodeError):
            record = _decode_line.decode(line)
            if isinstance(record, Message):
                yield record


def _header(numbered: Iterator[tuple[int, bytes]]) -> Header:
    for line, text in numbered:
        try:
            header = _decode_header(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise TranscriptError(line, Fault.MALFORMED, f"not the header of a transcript: {error}") from error
        if header.format != FORMAT:
            raise TranscriptError(line, Fault.MALFORMED, f"format {header.format}, this version reads {FORMAT}")
        return header
    raise TranscriptError(1, Fault.TRUNCATED, "the file is empty")


def _record(line: int, text: bytes) -> Message | Trailer:
    try:
        record = _decode_line.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # A line without its end is what is left of one, not one that somebody wrote so.
        fault = Fault.MALFORMED if text.endswith(b"\n") else Fault.TRUNCATED
        raise TranscriptError(line, fault, str(error)) from error
    # A message that says more, or the same otherwise, than what is covered by its link would be a changed file.
    if _encode(record) != text.rstrip(b"\r\n"):
        raise TranscriptError(line, Fault.CHANGED, "the line is not in the form that it was written in")
    return record


def _check_order(line: int, record: Message, header: Header, seq: int) -> None:
    if record.channel != header.channel or record.epoch != header.epoch:
        raise TranscriptError(line, Fault.CHANGED, f"of {record.channel}, epoch {record.epoch}: not this transcript's")
    if record.seq == seq:
        raise TranscriptError(line, Fault.DUPLICATED, f"message {seq} is here twice")
    if record.seq < seq:
        raise TranscriptError(line, Fault.REORDERED, f"message {record.seq} stands after {seq}")


def _gap_or_disorder(line: int, found: int, expected: int, rest: Iterable[tuple[int, bytes]]) -> TranscriptError:
    """Look through the rest of the file for the message that should stand here."""
    for later, text in rest:
        with suppress(TranscriptError):
            record = _record(later, text)
            if isinstance(record, Message) and record.seq == expected:
                return TranscriptError(
                    line, Fault.REORDERED, f"message {expected} stands further down, in line {later}"
                )
    return TranscriptError(line, Fault.GAP, f"message {found} stands where {expected} should")


def _checked_link(line: int, record: Message, channel: ChannelId, previous: bytes) -> bytes:
    try:
        kind, precedence = EntryKind(record.kind), Precedence(record.precedence)
    except ValueError as error:
        raise TranscriptError(line, Fault.CHANGED, f"there is no such entry: {error}") from error
    draft = Draft(
        sender=UserId(record.sender),
        delegation=DelegationId(record.delegation),
        key=record.key,
        kind=kind,
        text=record.text,
        ref=record.ref,
        reaction=record.reaction,
        removed=record.removed,
        mentions=tuple(map(UserId, record.mentions)),
        precedence=precedence,
        data=record.data,
    )
    link = link_of(previous, channel, record.seq, Millis(record.time_ms), draft)
    if link != record.link:
        raise TranscriptError(line, Fault.CHANGED, f"message {record.seq} is not what its link was computed from")
    return link


def _check_trailer(line: int, trailer: Trailer, header: Header, end: tuple[int, bytes]) -> None:
    seq = end[0]
    if trailer.seq > seq or header.count > seq:
        missing = max(trailer.seq, header.count)
        raise TranscriptError(line, Fault.TRUNCATED, f"messages {seq + 1} to {missing} are missing")
    if (trailer.seq, trailer.link) != end or header.count != seq:
        raise TranscriptError(line, Fault.CHANGED, f"the end says message {trailer.seq}, the file has {seq}")


def _check_nothing_follows(numbered: Iterator[tuple[int, bytes]]) -> None:
    for line, _ in numbered:
        raise TranscriptError(line, Fault.TRAILING, "something follows the end")
