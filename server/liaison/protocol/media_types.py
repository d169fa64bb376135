"""What may be attached to a message, each type with the endings that a file's name may have. (PROTOCOL.md §14)

Documents and pictures that many programs read and none of which a browser or a desktop runs. No SVG and no HTML, which
carry scripts; no archives, which hide what is in them; no formats with macros.
"""

from collections.abc import Mapping
from typing import Final

PLAIN_TEXT: Final = "text/plain"
CSV: Final = "text/csv"
PDF: Final = "application/pdf"
PNG: Final = "image/png"
JPEG: Final = "image/jpeg"
WEBP: Final = "image/webp"
ODT: Final = "application/vnd.oasis.opendocument.text"
ODS: Final = "application/vnd.oasis.opendocument.spreadsheet"
ODP: Final = "application/vnd.oasis.opendocument.presentation"
HWPX: Final = "application/hwp+zip"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PPTX: Final = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

ATTACHMENT_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    PLAIN_TEXT: ("txt",),
    CSV: ("csv",),
    PDF: ("pdf",),
    PNG: ("png",),
    JPEG: ("jpg", "jpeg"),
    WEBP: ("webp",),
    ODT: ("odt",),
    ODS: ("ods",),
    ODP: ("odp",),
    HWPX: ("hwpx",),
    DOCX: ("docx",),
    XLSX: ("xlsx",),
    PPTX: ("pptx",),
}


def media_type_of(name: str) -> str:
    """Give the type that a file's name tells by its ending; empty for one that can't be attached."""
    _, dot, ending = name.rpartition(".")
    ending = ending.lower()
    return next((kind for kind, endings in ATTACHMENT_TYPES.items() if dot and ending in endings), "")
