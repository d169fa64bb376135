"""A WebSocket connection after its upgrade: frames in, finished bytes out, and nothing of HTTP left. (PROTOCOL.md §3)

After the upgrade the transport is handed to this protocol. Whole messages in one frame each, which is nearly all that
ever comes, are read here; from the first byte that is anything else, websockets' Sans-I/O layer reads the frames and
judges them. That layer costs a connection a tenth of what letting it in does, and a frame several times what it costs
here, so most connections have none before they close. The other public way, aiohttp's own WebSocketResponse, accepts
unmasked frames, keeps a request, two tasks and a queue for each connection (12 KB against 2.3 KB), and tells nobody
when the peer stops reading.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final, Protocol

from websockets.frames import (  # type: ignore[attr-defined]  # No public name picks the compiled apply_mask.
    Close,
    Frame,
    Opcode,
    apply_mask,
)
from websockets.frames import CloseCode as FrameCloseCode
from websockets.protocol import OPEN, SEND_EOF, Side
from websockets.protocol import Protocol as FrameProtocol

from liaison.edges.coalescing import CoalescingConnection, ConnectionGroup, Source, spoken
from liaison.protocol.close_codes import CloseCode
from liaison.protocol.codec import websocket_frame
from liaison.protocol.limits import PING_INTERVAL_MS, PONG_TIMEOUT_MS

# A person's browser sends no pings at all, our SDK one in 15 s. The count starts anew with every ping of ours.
MAX_CONTROL_FRAMES: Final = 1_000
# A frame of 64 KiB in network packets is 45; nobody honest cuts finer than this.
MAX_FRAGMENTS: Final = 256
# What the frame layer is given at a time: 80 of the smallest frames, which cost what a few messages do.
_LAYER_BYTES: Final = 512

_PING_FRAME: Final = b"\x89\x00"
_WHOLE_TEXT: Final = 0x81
_WHOLE_BINARY: Final = 0x82
_PONG: Final = 0x8A
# A client's frame says by this bit that it is masked, as it must be.
_MASKED: Final = 0x80
_FRAME_LOG: Final = logging.getLogger("liaison.edges.frames")
# Below this, the frame layer would log what people write to each other.
_FRAME_LOG.setLevel(logging.WARNING)


class Receiver(Source, Protocol):
    """Who gets what comes in: the office's session, or an echo in the conformance tests."""

    @property
    def max_frame_bytes(self) -> int:
        """The longest message accepted now; a longer one ends the connection with 1009."""
        ...

    @property
    def party(self) -> tuple[str, str]:
        """Whose messages these are: side and user, both empty while nobody knows."""
        ...

    def receive(self, payload: bytes, *, is_text: bool) -> None:
        """Take one whole data message; must not raise."""
        ...


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """What is refused whatever the receiver says. `kind`: the only data frames accepted, None for both kinds."""

    kind: Opcode | None
    max_fragments: int = MAX_FRAGMENTS
    max_control_frames: int = MAX_CONTROL_FRAMES


def _echo_of(close: Close) -> bytes:
    is_empty = close.code == FrameCloseCode.NO_STATUS_RCVD
    return websocket_frame(b"" if is_empty else close.serialize(), first_byte=0x88)


class SocketProtocol(CoalescingConnection):
    """One WebSocket. A ping every 15 s must bring some byte within 10 s; any byte counts as life, not only a pong.

    What came and is not read yet waits here, at most one piece of what the transport reads at once: until it is read,
    nothing more is taken from the peer.
    """

    __slots__ = (
        "_awaits_pong",
        "_control_frames",
        "_fragments",
        "_heard",
        "_is_text",
        "_layer",
        "_limits",
        "_receiver",
        "_unread",
        "_unread_at",
        "_waits",
    )

    def __init__(self, transport: asyncio.Transport, group: ConnectionGroup, limits: SocketLimits) -> None:
        super().__init__(transport, group)
        self._limits = limits
        self._receiver: Receiver | None = None
        self._layer: FrameProtocol | None = None
        self._fragments: list[bytes] = []
        self._is_text = False
        self._control_frames = 0
        self._heard = True
        self._awaits_pong = False
        self._unread = b""
        self._unread_at = 0
        # For its turn in the intake.
        self._waits = False

    def begin(self, receiver: Receiver, first_bytes: bytes) -> None:
        """Take the transport over, once, after the 101 went out; `first_bytes` came behind the upgrade request."""
        self._receiver = receiver
        self.take_over(receiver)
        if first_bytes and not self._transport.is_closing():
            self.data_received(first_bytes)

    @property
    def _frames(self) -> FrameProtocol:
        """The frame layer; once it is there, all that comes is its."""
        if self._layer is None:
            self._layer = FrameProtocol(Side.SERVER, state=OPEN, max_size=0, logger=_FRAME_LOG)
        return self._layer

    def close(self, code: CloseCode, reason: str) -> None:
        """Send what is queued and a close frame; the peer has two seconds to answer it."""
        if self._frames.state is OPEN:
            self._cause = self._cause or spoken(code)
            self._frames.send_close(code, reason)
            self._bring_out(self._frames.data_to_send())

    def _bring_out(self, writes: list[bytes]) -> None:
        """Queue what the frame layer wants to say; an empty item ends our direction."""
        for data in writes:
            if data:
                self._queue(data)
        if self._frames.state is not OPEN:
            self._begin_closing()
            if SEND_EOF in writes:
                self._end_writing()

    def _end_writing(self) -> None:
        """Close once everything is written; but after a fault of the peer's leave it time to read why.

        Closing a TCP socket with unread input resets it, and the close frame is lost on its way.
        """
        if self._transport.is_closing():
            return
        if self._frames.close_rcvd is None and self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    # -------------------------------------------------------------------------------------------------------- receiving

    @property
    def party(self) -> tuple[str, str]:
        """Whose messages these are; intake.Unread."""
        return ("", "") if self._receiver is None else self._receiver.party

    @property
    def has_unread(self) -> bool:
        """Whether something waits for its turn to be read; ports.connection.Connection."""
        return self._waits

    def data_received(self, data: bytes) -> None:
        """Read frames; whole messages go to the receiver, in order, until one of the two ends closes."""
        self._heard = True
        self._unread = self._unread[self._unread_at :] + data if self._unread else data
        self._unread_at = 0
        intake = self._group.intake
        while not self._waits and self._has_readable():
            if intake.may_read():
                self._take_some()
            else:
                self._wait()

    def take_next(self) -> bool:
        """Read one message, or so much as one costs; intake.Unread."""
        if self._has_readable():
            self._take_some()
        self._waits = self._has_readable()
        if not self._waits:
            self._read_on()
        return self._waits

    def _wait(self) -> None:
        self._waits = True
        # Also while we close: `take_next` reads on.
        if not self._transport.is_closing():
            self._transport.pause_reading()
        self._group.intake.wait(self)

    def _has_readable(self) -> bool:
        return bool(self._unread) and self._takes

    def _read_on(self) -> None:
        if not self._unread:
            super()._read_on()
        elif not self._waits and self._has_readable():
            self._wait()

    def _take_some(self) -> None:
        """Take a whole message or an empty pong, or give the frame layer some bytes."""
        at, data = self._unread_at, self._unread
        if self._layer is not None or not (after := self._take_plain(data, at)):
            after = at + _LAYER_BYTES
            self._take_frames(data[at:after])
        if after < len(data) and self._unread:
            self._unread_at = after
        else:
            self._unread, self._unread_at = b"", 0

    def _take_frames(self, data: bytes) -> None:
        """Let the frame layer read."""
        was_closing = self._is_closing
        frames = self._frames
        if self._receiver is not None:
            frames.max_message_size = self._receiver.max_frame_bytes
        frames.receive_data(data)
        # The frame layer has parsed all of `data` by now. Its pongs stand first, one for each ping and in their order;
        # they go out between the answers to the messages they came between.
        writes = frames.data_to_send()
        for frame in frames.events_received():
            if isinstance(frame, Frame) and not self._is_closing:
                if frame.opcode is Opcode.PING:
                    self._queue(writes.pop(0))
                self._take(frame)
        if frames.close_rcvd is None and frames.parser_exc is None:
            return
        # Nothing that follows counts.
        self._unread = b""
        if frames.close_rcvd is not None and frames.parser_exc is not None:
            # A close between the fragments of a message is legal (RFC 6455 §5.4), but the frame layer calls it a fault.
            writes = [_echo_of(frames.close_rcvd), SEND_EOF]
        self._cause = self._cause or ("closed" if frames.close_rcvd is not None else "protocol error")
        # No pong may follow a close frame of ours.
        self._bring_out([data for data in writes if data == SEND_EOF] if was_closing else writes)
        self._report()

    def _take_plain(self, data: bytes, at: int) -> int:
        """Take the whole message or empty pong that stands at `at`, and give where it ends; 0: the frame layer's.

        Only what that layer would take as well, without a word and whatever follows, is taken here.
        """
        receiver, kind, end = self._receiver, self._limits.kind, len(data)
        if end - at < 6:
            return 0
        first, size, mask_at = data[at], data[at + 1] ^ _MASKED, at + 2
        if size == 126:
            size, mask_at = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        elif size > 126:
            # Not masked, or more than 64 KiB.
            return 0
        payload_at = mask_at + 4
        after = payload_at + size
        if after > end or size > (0 if receiver is None else receiver.max_frame_bytes):
            return 0
        if first == _PONG and not size and self._control_frames < self._limits.max_control_frames:
            self._control_frames += 1
        elif first in (_WHOLE_TEXT, _WHOLE_BINARY) and kind in (None, first & 0x0F):
            self._is_text = first == _WHOLE_TEXT
            self._deliver(apply_mask(data[payload_at:after], data[mask_at:payload_at]))
        else:
            return 0
        return after

    def _take(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.TEXT | Opcode.BINARY:
                self._is_text = frame.opcode is Opcode.TEXT
                if self._limits.kind not in (None, frame.opcode):
                    self._fail(CloseCode.UNSUPPORTED_DATA, "this subprotocol has the other kind of frames")
                elif frame.fin:
                    self._deliver(bytes(frame.data))
                else:
                    self._fragments = [bytes(frame.data)]
            case Opcode.CONT:
                self._take_fragment(frame)
            case _:
                self._control_frames += 1
                if self._control_frames > self._limits.max_control_frames:
                    self._fail(CloseCode.FLOODING, "too many pings")

    def _take_fragment(self, frame: Frame) -> None:
        self._fragments.append(bytes(frame.data))
        if len(self._fragments) > self._limits.max_fragments:
            self._fail(CloseCode.MESSAGE_TOO_BIG, "a message in too many fragments")
        elif frame.fin:
            fragments, self._fragments = self._fragments, []
            self._deliver(b"".join(fragments))

    def _deliver(self, payload: bytes) -> None:
        if self._is_text:
            try:
                payload.decode()
            except UnicodeDecodeError:
                self._fail(CloseCode.INVALID_DATA, "a text frame that is not UTF-8")
                return
        if self._receiver is not None:
            self._receiver.receive(payload, is_text=self._is_text)

    def _fail(self, code: CloseCode, reason: str) -> None:
        """The peer broke a rule that the frame layer doesn't know."""
        self._cause = spoken(code)
        self._fragments.clear()
        self._frames.fail(code, reason)
        self._bring_out(self._frames.data_to_send())
        self._report()

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone, and what it brought last with it: its sender will offer it again."""
        self._unread = b""
        super().connection_lost(exc)

    def _report(self) -> None:
        self._receiver = None
        super()._report()

    def eof_received(self) -> bool:
        """The peer ended its direction: after the close frames all is well, else the connection just broke."""
        if self._layer is not None:
            self._layer.receive_eof()
        return False

    # -------------------------------------------------------------------------------------------------------- heartbeat

    def _on_heartbeat(self) -> None:
        if not self._awaits_pong:
            self._awaits_pong = True
            self._heard = False
            self._control_frames = 0
            self._queue(_PING_FRAME)
            self._group.wheel.schedule(self, PONG_TIMEOUT_MS)
        elif self._heard or self._reading_paused or self._unread:
            # While we don't read, silence is ours.
            self._awaits_pong = False
            self._group.wheel.schedule(self, PING_INTERVAL_MS - PONG_TIMEOUT_MS)
        else:
            self._give_up(CloseCode.NO_PONG, "not a byte for 10 seconds", "no pong")

    def _on_unblocked(self) -> None:
        self._awaits_pong = False
        self._group.wheel.schedule(self, PING_INTERVAL_MS)
