"""Entries as frames: each is encoded at most once for each wire format, and the bytes are shared by everybody."""

from liaison.core.entries import Entry
from liaison.core.messages import message_of
from liaison.protocol.codec import WireFormat, finished_frame


class EncodedEntry:
    """An entry with its finished frames, made when first wanted."""

    __slots__ = ("_epoch", "_frames", "entry")

    def __init__(self, entry: Entry, epoch: int) -> None:
        self.entry = entry
        self._epoch = epoch
        self._frames: dict[WireFormat, bytes] = {}

    def frame(self, wire: WireFormat) -> bytes:
        """Give the finished frame for a wire format."""
        frame = self._frames.get(wire)
        if frame is None:
            frame = self._frames[wire] = finished_frame(message_of(self.entry, self._epoch), wire)
        return frame


def joined_frames(entries: list[EncodedEntry], wire: WireFormat) -> bytes:
    """Give the frames of several entries as one run of bytes, ready for one write."""
    if len(entries) == 1:
        return entries[0].frame(wire)
    return b"".join([entry.frame(wire) for entry in entries])
