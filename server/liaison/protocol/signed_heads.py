"""What is signed when a side signs the head of a channel, or a key of its own: the exact bytes. (PROTOCOL.md §13.4)

Plain Python, because bots sign and the server and an offline check read the same. A statement is lines of UTF-8, each
with its line feed; no field can hold one, so that a statement can be read in one way only. The first line is the
domain: what is signed for one purpose is never taken for another.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

HEAD_DOMAIN: Final = "liaison signed head v1"
KEY_DOMAIN: Final = "liaison side key v1"

PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class HeadStatement:
    """That a channel's record up to `seq`, whose link is `link`, is as a side has seen it.

    `time_ms` is the signer's clock; `fingerprint` names the key, and `delegation` is whose it is.
    """

    office: str
    channel: str
    epoch: int
    seq: int
    link: bytes
    time_ms: int
    delegation: str
    fingerprint: str

    def to_bytes(self) -> bytes:
        """Give the bytes that are signed."""
        return _lines(
            HEAD_DOMAIN,
            self.office,
            self.channel,
            str(self.epoch),
            str(self.seq),
            self.link.hex(),
            str(self.time_ms),
            self.delegation,
            self.fingerprint,
        )


@dataclass(frozen=True, slots=True)
class KeyStatement:
    """That a key is a delegation's, under this label, in the place of the one that `replaces` names (empty for none).

    Signed by the key itself, so that nobody registers a key that they don't hold, and by the one it replaces.
    """

    office: str
    delegation: str
    fingerprint: str
    label: str
    replaces: str = ""

    def to_bytes(self) -> bytes:
        """Give the bytes that are signed."""
        return _lines(KEY_DOMAIN, self.office, self.delegation, self.fingerprint, self.label, self.replaces)


def fingerprint_of(public_key: bytes) -> str:
    """Give what a key is known by: SHA-256 of its 32 bytes, in hexadecimal."""
    return hashlib.sha256(public_key).hexdigest()


def _lines(*fields: str) -> bytes:
    # A field that brought a line feed of its own would make one statement readable as another.
    assert not any("\n" in field for field in fields)
    return "".join(f"{field}\n" for field in fields).encode()
