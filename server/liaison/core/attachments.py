"""Attachments as entries name them: by the hash of their content, so that they are in the hash chain. (PROTOCOL.md §14)

A message's are in its `data`, a dispatch's in its text; either way they stand as canonical JSON under `attachments`,
which is how the log finds who names a content.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

import msgspec

from liaison.core.entries import EntryKind
from liaison.core.identifiers import HANGUL_FILLERS
from liaison.protocol.errors import ErrorCode, Refused
from liaison.protocol.frames import Attachment
from liaison.protocol.limits import MAX_ATTACHMENT_NAME_BYTES
from liaison.protocol.media_types import ATTACHMENT_TYPES

# What an entry's `data` has if, and only if, it names attachments: within any text the quotes would be escaped.
MARK: Final = '"attachments":[{'

# What file systems of the other side's machines refuse, or take for something else.
_RESERVED: Final = re.compile(r'[<>:"|?*]')
_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
# Controls, halves of surrogates, unassigned and private ones, separators of lines, and what is invisible: among it
# whatever turns the direction of writing, which lets `fdp.exe` look like `exe.pdf`.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class _Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    attachments: tuple[Attachment, ...] = ()


class _Letter(msgspec.Struct, frozen=True):
    attachments: tuple[Attachment, ...] = ()


class _Dispatch(msgspec.Struct, frozen=True):
    content: _Letter = _Letter()


_decode_text: Final = msgspec.json.Decoder(_Text).decode
_decode_dispatch: Final = msgspec.json.Decoder(_Dispatch).decode


def data_of(attachments: Sequence[Attachment]) -> str:
    """Give the `data` of a message that has these; empty for none, as it is for every other message."""
    if not attachments:
        return ""
    return msgspec.json.encode(_Text(tuple(attachments)), order="sorted").decode()


def attachments_of(kind: str, data: str) -> tuple[Attachment, ...]:
    """Give what an entry names; nothing for what names none or can't be read."""
    if MARK not in data:
        return ()
    try:
        if kind == EntryKind.TEXT.value:
            return _decode_text(data).attachments
        if kind == EntryKind.DISPATCH.value:
            return _decode_dispatch(data).content.attachments
    except msgspec.DecodeError:
        return ()
    return ()


def check_names(attachments: Sequence[Attachment]) -> None:
    """Refuse what no upload can have answered. Raises Refused: INVALID, ATTACHMENT_NAME, ATTACHMENT_TYPE."""
    if len({attachment.sha256 for attachment in attachments}) != len(attachments):
        raise Refused(ErrorCode.INVALID, "a content is attached once")
    for attachment in attachments:
        if clean_name(attachment.name) != attachment.name:
            raise Refused(ErrorCode.ATTACHMENT_NAME, "name an attachment as the answer to its upload did")
        check_ending(attachment.name, attachment.media_type)


def check_ending(name: str, media_type: str) -> None:
    """Refuse a name that says another type than the content has. Raises Refused."""
    if media_type not in ATTACHMENT_TYPES:
        raise Refused(ErrorCode.ATTACHMENT_TYPE, "files of this type can't be attached")
    ending = name.rpartition(".")[2].lower()
    if ending not in ATTACHMENT_TYPES[media_type]:
        wanted = " or ".join(f".{each}" for each in ATTACHMENT_TYPES[media_type])
        raise Refused(ErrorCode.ATTACHMENT_NAME, f"the name of a file of this type ends in {wanted}")


def clean_name(name: str) -> str:
    """Bring a file's name into the form that is kept: form C, no path, nothing unseen, fit for any file system.

    Doing it again changes nothing. Raises Refused(ATTACHMENT_NAME) when nothing is left.
    """
    name = unicodedata.normalize("NFC", name)
    seen = "".join(each for each in name if unicodedata.category(each) not in _UNSEEN and each not in HANGUL_FILLERS)
    base = re.split(r"[/\\]", seen)[-1]
    base = _RESERVED.sub("_", " ".join(base.split())).strip(" .")
    stem, dot, ending = base.rpartition(".")
    if not dot or not stem or not ending:
        raise Refused(ErrorCode.ATTACHMENT_NAME, "a file's name has an ending that says its type")
    if _DEVICE.fullmatch(base):
        stem = f"_{stem}"
    room = MAX_ATTACHMENT_NAME_BYTES - len(ending.encode()) - 1
    if room < 1:
        raise Refused(ErrorCode.ATTACHMENT_NAME, "the ending of the file's name is too long")
    # Cut between whole characters, and not so that a blank or a stop is left at the cut.
    stem = stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .")
    if not stem:
        raise Refused(ErrorCode.ATTACHMENT_NAME, "a file's name has more than an ending")
    return unicodedata.normalize("NFC", f"{stem}.{ending}")
