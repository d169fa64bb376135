"""The hash chain as a bot checks it: each message must follow from the one before. (PROTOCOL.md §5.4)"""

import hashlib
from typing import Final

import msgpack

from liaison.bot.messages import Message

GENESIS: Final = bytes(32)


def link_of(previous: bytes, message: Message) -> bytes:
    """Give the link that a message must have behind one with link `previous`."""
    fields = (
        message.channel,
        message.seq,
        message.time_ms,
        message.sender,
        message.delegation,
        message.key,
        message.kind,
        message.text,
        message.ref,
        message.reaction,
        message.removed,
        message.mentions,
        message.precedence,
        message.data,
    )
    return hashlib.sha256(previous + msgpack.packb(fields)).digest()


class ChainWatch:
    """What was seen last of each channel, and whether what comes contradicts it."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, bytes]] = {}

    def contradiction(self, message: Message) -> str:
        """Give what is wrong with a message by what was seen before; empty for nothing. Remembers it."""
        seq, link = self._last.get(message.channel, (0, GENESIS))
        # Of what lies between, nothing is known.
        if message.seq == seq + 1 and (seq or message.seq == 1) and link_of(link, message) != message.link:
            found = f"message {message.seq} does not follow from message {seq} as it was seen"
        elif message.seq == seq and message.link != link:
            found = f"message {message.seq} is another one than was seen"
        else:
            found = ""
        if message.seq >= seq or found:
            self._last[message.channel] = (message.seq, message.link)
        return found

    def rolled_back(self, channel: str, head: int) -> str:
        """Give what is wrong with a head; empty for nothing. What was seen is then forgotten, to begin anew."""
        seq, _ = self._last.get(channel, (0, GENESIS))
        if head >= seq:
            return ""
        del self._last[channel]
        return f"the channel ends after message {head}, and message {seq} was seen"
