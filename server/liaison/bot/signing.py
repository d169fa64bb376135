"""A side's private key as a bot holds it, in a file of its own. Needs the extra: `pip install 'liaison[sign]'`.

The one module of the SDK that asks for more than the base install, and only when a key is used.
"""

import json
import os
import unicodedata
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from liaison.protocol.signed_heads import PUBLIC_KEY_BYTES, HeadStatement, KeyStatement, fingerprint_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_ALGORITHM: Final = "ed25519"


class KeyFileError(Exception):
    """A key file can't be used; the message says why and names no secret."""


class SigningKey:
    """An Ed25519 key with its delegation and label. `repr` doesn't show it."""

    def __init__(self, private: "Ed25519PrivateKey", delegation: str, label: str) -> None:
        self._private = private
        self.delegation: Final = delegation
        self.label: Final = unicodedata.normalize("NFC", label)
        public = private.public_key().public_bytes_raw()
        self.public_key: Final = b64encode(public).decode()
        self.fingerprint: Final = fingerprint_of(public)

    def __repr__(self) -> str:
        return f"SigningKey({self.fingerprint[:16]}…, {self.delegation!r})"

    @classmethod
    def create(cls, path: Path, delegation: str, label: str) -> "SigningKey":
        """Make a key and write it to a new file that nobody else can read. Raises KeyFileError."""
        key = cls(_ed25519().generate(), delegation, label)
        content = {
            "algorithm": _ALGORITHM,
            "delegation": key.delegation,
            "label": key.label,
            "private_key": b64encode(key._private.private_bytes_raw()).decode(),
        }
        try:
            # O_EXCL: an existing key is never written over.
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                json.dump(content, file, ensure_ascii=False)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise KeyFileError(f"{path} cannot be written: {error.strerror}") from error
        return key

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """Read a key from its file, unless others can read it too. Raises KeyFileError."""
        try:
            if path.stat().st_mode & 0o077:
                raise KeyFileError(f"others can read {path}: chmod 600 it, and think of replacing the key")
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["algorithm"] != _ALGORITHM:
                raise KeyFileError(f"{path} holds no {_ALGORITHM} key")
            private = _ed25519().from_private_bytes(b64decode(content["private_key"], validate=True))
            return cls(private, str(content["delegation"]), str(content["label"]))
        except OSError as error:
            raise KeyFileError(f"{path} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise KeyFileError(f"{path} is no key file") from error

    def sign(self, statement: bytes) -> str:
        """Give the signature, in base64."""
        return b64encode(self._private.sign(statement)).decode()

    def registration(self, office: str, replaces: "SigningKey | None" = None) -> dict[str, str]:
        """Give the fields of `register_key`, for a head to send. (PROTOCOL.md §13.4)"""
        old = "" if replaces is None else replaces.fingerprint
        statement = KeyStatement(office, self.delegation, self.fingerprint, self.label, old).to_bytes()
        fields = {"public_key": self.public_key, "label": self.label, "proof": self.sign(statement)}
        return fields if replaces is None else {**fields, "replaces": old, "endorsement": replaces.sign(statement)}


def is_signed(public_key: str, signature: str, statement: HeadStatement) -> bool:
    """Whether a signature over a head is this key's; both are base64."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - the extra
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    try:
        public = b64decode(public_key, validate=True)
        if len(public) != PUBLIC_KEY_BYTES:
            return False
        Ed25519PublicKey.from_public_bytes(public).verify(b64decode(signature, validate=True), statement.to_bytes())
    except (InvalidSignature, ValueError):
        return False
    return True


def counts_at(key: Mapping[str, Any], time_ms: int) -> bool:
    """Whether a key, as `side_keys` tells it, counts for what was signed at that time."""
    until_ms = key.get("until_ms", 0)
    return bool(key["from_ms"] <= time_ms and (not until_ms or time_ms < until_ms))


def _ed25519() -> "type[Ed25519PrivateKey]":
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - the extra
            Ed25519PrivateKey,
        )
    except ModuleNotFoundError as missing:
        raise KeyFileError("keys need one more package: pip install 'liaison[sign]'") from missing
    return Ed25519PrivateKey
