"""What a file is by its bytes, whatever it is called: only what is surely one of the allowed types has one.

A file is looked at while it comes in, once and in pieces, and little of it is kept: its beginning, and its end, where
formats that are containers keep their table of contents. Nothing is unpacked. A file that is of two types at once is
of none, as far as that shows: what begins as one must also end as it.
"""

import codecs
import re
import struct
from collections.abc import Iterator
from typing import Final

from liaison.protocol import media_types

_HEAD_BYTES: Final = 1024
# A document's table of contents has some dozen lines of a hundred bytes; one with thousands of pictures still fits.
_TAIL_BYTES: Final = 256 * 1024
_MAX_CONTAINED: Final = 4096

_PNG_BEGINS: Final = b"\x89PNG\r\n\x1a\n"
_PNG_ENDS: Final = b"\x00\x00\x00\x00IEND\xaeB\x60\x82"
_JPEG_BEGINS: Final = b"\xff\xd8\xff"
_JPEG_ENDS: Final = b"\xff\xd9"
_LOCAL_FILE: Final = b"PK\x03\x04"
# The end of a container's table of contents: signature, disks, entries, size, offset, length of a comment.
_DIRECTORY_ENDS: Final = b"PK\x05\x06"
_DIRECTORY_END: Final = struct.Struct("<4sHHHHIIH")
# One line of it: signature, versions, flags, …, lengths of name, extra and comment, …, offset.
_DIRECTORY_LINE: Final = struct.Struct("<4s6H3I5H2I")
_ENCRYPTED: Final = 0x1

# These formats put a first file, uncompressed, whose text is the type.
_SELF_NAMED: Final = frozenset({media_types.ODT, media_types.ODS, media_types.ODP, media_types.HWPX})
_BY_MAIN_PART: Final = {
    "word/document.xml": media_types.DOCX,
    "xl/workbook.xml": media_types.XLSX,
    "ppt/presentation.xml": media_types.PPTX,
}
# Programs in a document: macros of both families, and what is a program by its name.
_PROGRAM: Final = re.compile(r"vbaproject\.bin$|^basic/|\.(?:exe|dll|js|vbs|bat|cmd|ps1|sh|jar)$", re.IGNORECASE)

# All controls but tab, line feed, form feed and carriage return.
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
# Text that some program would run or draw instead of showing it as text.
_MARKUP: Final = re.compile(r"\s*(?:<[!?a-z/]|#!)", re.IGNORECASE)


class ContentInspector:
    """Looks at a file as it passes. `look` at every piece in order, then ask `found` once."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = bytearray()
        self._size_bytes = 0
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("strict")
        self._is_text = True

    def look(self, piece: bytes) -> None:
        """Take the next piece."""
        if len(self._head) < _HEAD_BYTES:
            self._head += piece[: _HEAD_BYTES - len(self._head)]
        self._tail += piece[-_TAIL_BYTES:]
        del self._tail[:-_TAIL_BYTES]
        self._size_bytes += len(piece)
        self._look_for_text(piece, final=False)

    def found(self) -> str:
        """Give the type; plain text also for what may be a table of values, and empty for what can't be attached."""
        self._look_for_text(b"", final=True)
        head, tail = self._head, bytes(self._tail)
        if head.startswith(_PNG_BEGINS):
            return media_types.PNG if tail.endswith(_PNG_ENDS) else ""
        if head.startswith(_JPEG_BEGINS):
            # Telephones write more behind the picture; a container would have its own end there.
            return media_types.JPEG if _JPEG_ENDS in tail and _DIRECTORY_ENDS not in tail else ""
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return media_types.WEBP if int.from_bytes(head[4:8], "little") + 8 == self._size_bytes else ""
        if head.startswith(b"%PDF-"):
            # Readers look for its end in the last kilobyte; a container would have its own there.
            end = tail[-_HEAD_BYTES:]
            return media_types.PDF if b"%%EOF" in end and _DIRECTORY_ENDS not in end else ""
        if head.startswith(_LOCAL_FILE):
            return self._container(tail)
        is_shown_as_text = self._is_text and self._size_bytes > 0 and not _MARKUP.match(_beginning(head))
        return media_types.PLAIN_TEXT if is_shown_as_text else ""

    def _look_for_text(self, piece: bytes, *, final: bool) -> None:
        if not self._is_text:
            return
        try:
            self._is_text = _CONTROL.search(self._decoder.decode(piece, final)) is None
        except UnicodeDecodeError:
            self._is_text = False

    def _container(self, tail: bytes) -> str:
        try:
            names = list(self._contained(tail))
        except (ValueError, struct.error):
            return ""
        if any(_is_unwanted(name) for name in names):
            return ""
        named = _self_named(self._head)
        if named:
            return named if names[0] == "mimetype" else ""
        kinds = [_BY_MAIN_PART[name] for name in names if name in _BY_MAIN_PART]
        return kinds[0] if len(kinds) == 1 and "[Content_Types].xml" in names else ""

    def _contained(self, tail: bytes) -> Iterator[str]:
        """Read the table of contents. Raises ValueError, struct.error for one that isn't whole or hides something."""
        signature, disk, first_disk, here, entries, size, offset, comment = _DIRECTORY_END.unpack(
            tail[-_DIRECTORY_END.size :]
        )
        table = tail[-_DIRECTORY_END.size - size : -_DIRECTORY_END.size]
        is_whole = (signature, disk, first_disk, comment) == (_DIRECTORY_ENDS, 0, 0, 0)
        # Where the table says it is, so that nothing stands before the container or behind it.
        if not is_whole or here != entries or len(table) != size or offset + size + 22 != self._size_bytes:
            raise ValueError("no whole container")
        if not 0 < entries <= _MAX_CONTAINED:
            raise ValueError("too many files")
        at = 0
        for _ in range(entries):
            line = _DIRECTORY_LINE.unpack_from(table, at)
            signature, flags, (name_bytes, extra_bytes, comment_bytes) = line[0], line[3], line[10:13]
            if signature != b"PK\x01\x02" or flags & _ENCRYPTED:
                raise ValueError("no line of a table, or a secret one")
            at += _DIRECTORY_LINE.size
            yield table[at : at + name_bytes].decode("utf-8")
            at += name_bytes + extra_bytes + comment_bytes
        if at != size:
            raise ValueError("the table has more than its lines")


def _self_named(head: bytes) -> str:
    name_bytes, extra_bytes = struct.unpack_from("<HH", head, 26)
    if head[30 : 30 + name_bytes] != b"mimetype":
        return ""
    # Stored, not compressed, so that it can be read here.
    size = int.from_bytes(head[18:22], "little")
    text = head[30 + name_bytes + extra_bytes :][:size].decode("ascii", "replace")
    return text if text in _SELF_NAMED else ""


def _is_unwanted(name: str) -> bool:
    return _PROGRAM.search(name) is not None or name.startswith("/") or ".." in name.split("/") or "\\" in name


def _beginning(head: bytes) -> str:
    return head.decode("utf-8-sig", "ignore")
