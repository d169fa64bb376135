"""Co-signs the heads of channels for one side, and signs nothing that contradicts what it has seen. (PROTOCOL.md §13.4)

What it has signed, and what the other side has, is kept in a file beside the bot: an operator who rewrites the record,
signatures and all, can't rewrite that.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from liaison.bot.chain import GENESIS, link_of
from liaison.bot.client import Client
from liaison.bot.messages import Message
from liaison.bot.signing import SigningKey, counts_at, is_signed
from liaison.protocol.limits import MAX_PAGE_MESSAGES
from liaison.protocol.signed_heads import HeadStatement

_SIGNED_HEAD: Final = "signed_head"


class Forked(Exception):
    """The server's history contradicts what was signed or seen before: a person has to look at it."""

    def __init__(self, channel: str, detail: str) -> None:
        super().__init__(f"{channel}: {detail}")
        self.channel = channel
        self.detail = detail


class BrokenBookError(Exception):
    """The file of kept heads can't be understood; without it a fork would pass unseen."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a channel's record stood when it was signed."""

    epoch: int
    seq: int
    link: bytes


class HeadBook:
    """Signed heads in a file, one a line, only ever added to: what `liaison verify --heads` reads.

    Raises BrokenBookError, and OSError where the file can't be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: set[str] = set()
        self._last: dict[tuple[str, str], Head] = {}
        if path.exists():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                try:
                    self._note(line, json.loads(line))
                except (ValueError, KeyError, TypeError) as error:
                    raise BrokenBookError(f"{path}, line {number}: {error}") from error

    def last(self, channel: str, delegation: str) -> Head | None:
        """Give the newest head that a side has signed of a channel."""
        return self._last.get((channel, delegation))

    def keep(self, channel: str, delegation: str, head: Mapping[str, Any]) -> None:
        """Add a signed head; on the disk when this returns. One that is there already is not added again."""
        line = json.dumps({"channel": channel, "delegation": delegation, **head}, ensure_ascii=False, sort_keys=True)
        if line in self._lines:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(
            os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8"
        ) as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._note(line, json.loads(line))

    def _note(self, line: str, head: Mapping[str, Any]) -> None:
        self._lines.add(line)
        self._last[head["channel"], head["delegation"]] = Head(head["epoch"], head["seq"], bytes.fromhex(head["link"]))


@dataclass(frozen=True, slots=True)
class _Walk:
    """What was read of a channel: its end, whether anything but signatures came, and the signatures."""

    end: Head
    has_news: bool
    signatures: tuple[Message, ...]


class Notary:
    """Signs for the delegation of its key; `now_ms` gives wall-clock time."""

    def __init__(self, client: Client, key: SigningKey, book: HeadBook, now_ms: Callable[[], int]) -> None:
        self._client, self._key, self._book, self._now_ms = client, key, book, now_ms

    async def sign(self, channel: str, *, accept_fork: bool = False) -> Head | None:
        """Check everything since the last signature and sign the head; None where only signatures came since.

        Signatures of others on the way are checked and kept. With `accept_fork` what was signed before is passed over,
        and the whole chain is checked from its beginning.

        Raises Forked, and Refused and Disconnected as the client does.
        """
        keys = await self._client.side_keys()
        last = None if accept_fork else self._book.last(channel, self._key.delegation)
        walk = await self._walk(channel, last)
        by_fingerprint = {key["fingerprint"]: key for key in keys["keys"]}
        for message in walk.signatures:
            self._keep_signature(message, by_fingerprint)
        if not walk.has_news:
            return None
        head, now_ms = walk.end, self._now_ms()
        statement = HeadStatement(
            office=keys["office"],
            channel=channel,
            epoch=head.epoch,
            seq=head.seq,
            link=head.link,
            time_ms=now_ms,
            delegation=self._key.delegation,
            fingerprint=self._key.fingerprint,
        )
        signed = {
            "epoch": head.epoch,
            "fingerprint": self._key.fingerprint,
            "link": head.link.hex(),
            "seq": head.seq,
            "signature": self._key.sign(statement.to_bytes()),
            "time_ms": now_ms,
        }
        # Kept before it is given out: what was signed is never forgotten, and what was kept in vain harms nobody.
        self._book.keep(channel, self._key.delegation, {**signed, "office": keys["office"]})
        await self._client.sign_head(channel, signed)
        return head

    async def _walk(self, channel: str, last: Head | None) -> _Walk:
        """Read on from the last signed head, and check that each message follows from the one before."""
        seq, link = (0, GENESIS) if last is None else (last.seq, last.link)
        # From one before, so that the last one itself is compared.
        after = max(0, seq - 1)
        signatures: list[Message] = []
        has_news = False
        while True:
            page = await self._client.history(channel, after=after, limit=MAX_PAGE_MESSAGES)
            for message in page.messages:
                if message.seq == seq:
                    if message.link != link:
                        raise Forked(channel, f"message {seq} was signed with another link")
                    continue
                if message.seq != seq + 1 or link_of(link, message) != message.link:
                    raise Forked(channel, f"message {message.seq} does not follow from message {seq}")
                seq, link = message.seq, message.link
                if message.kind == _SIGNED_HEAD:
                    signatures.append(message)
                else:
                    has_news = True
            if page.head < seq:
                raise Forked(channel, f"message {seq} was signed, and the channel ends after {page.head}")
            if not page.messages or seq >= page.head:
                return _Walk(Head(page.epoch, seq, link), has_news, tuple(signatures))
            after = seq

    def _keep_signature(self, message: Message, keys: Mapping[str, Mapping[str, Any]]) -> None:
        try:
            head = json.loads(message.data)
            key = keys[head["fingerprint"]]
            statement = HeadStatement(
                office=head["office"],
                channel=message.channel,
                epoch=head["epoch"],
                seq=head["seq"],
                link=bytes.fromhex(head["link"]),
                time_ms=head["time_ms"],
                delegation=message.delegation,
                fingerprint=head["fingerprint"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise Forked(message.channel, f"message {message.seq} is no signed head of a known key") from error
        is_right = key["delegation"] == message.delegation and counts_at(key, head["time_ms"])
        if not is_right or not is_signed(key["public_key"], head["signature"], statement):
            raise Forked(message.channel, f"the signature in message {message.seq} is not that of {message.delegation}")
        if message.delegation != self._key.delegation:
            self._book.keep(message.channel, message.delegation, head)
