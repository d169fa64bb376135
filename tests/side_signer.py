"""A side's own private key in a test: what a desk's browser or a bot has, and the server never."""

from base64 import b64encode
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from liaison.protocol.signed_heads import HeadStatement, KeyStatement, fingerprint_of

OFFICE = "office"


class SideSigner:
    """A key made of a name, so that a run is the same each time."""

    def __init__(self, side: str, name: str = "desk", office: str = OFFICE) -> None:
        self.side, self.label, self.office = side, name, office
        self._key = Ed25519PrivateKey.from_private_bytes(sha256(f"{side} {name}".encode()).digest())
        self._public = self._key.public_key().public_bytes_raw()
        self.public_key = b64encode(self._public).decode()
        self.fingerprint = fingerprint_of(self._public)

    def sign(self, statement: bytes) -> str:
        return b64encode(self._key.sign(statement)).decode()

    def registration(self, replaces: "SideSigner | None" = None) -> dict[str, str]:
        """Give the fields of `register_key`."""
        old = "" if replaces is None else replaces.fingerprint
        statement = KeyStatement(self.office, self.side, self.fingerprint, self.label, old).to_bytes()
        fields = {"public_key": self.public_key, "label": self.label, "proof": self.sign(statement)}
        if replaces is not None:
            fields |= {"replaces": old, "endorsement": replaces.sign(statement)}
        return fields

    def signature(self, channel: str, epoch: int, seq: int, link: bytes, time_ms: int) -> str:
        return self.sign(
            HeadStatement(self.office, channel, epoch, seq, link, time_ms, self.side, self.fingerprint).to_bytes()
        )

    def head(self, channel: str, seq: int, link: bytes, time_ms: int, *, epoch: int = 1) -> dict[str, Any]:
        """Give the fields of `sign_head`."""
        return {
            "channel": channel,
            "fingerprint": self.fingerprint,
            "epoch": epoch,
            "seq": seq,
            "link": link.hex(),
            "time_ms": time_ms,
            "signature": self.signature(channel, epoch, seq, link, time_ms),
        }
