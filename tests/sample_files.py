"""The smallest files of each type that can be attached, and some that only look like one."""

import io
import zipfile
import zlib
from collections.abc import Mapping

from liaison.protocol import media_types


def container(files: Mapping[str, bytes]) -> bytes:
    """A ZIP with these files in this order, the first one stored."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def png(seed: bytes = b"\0") -> bytes:
    """A picture of one pixel; another seed is another picture."""
    header = (1).to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
    parts = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"\0" + seed[:1])) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def office_document(main: str, **more: bytes) -> bytes:
    names = {name.replace("__", "/"): content for name, content in more.items()}
    return container({"[Content_Types].xml": b"<Types/>", "_rels/.rels": b"<r/>", main: b"<d/>", **names})


def open_document(kind: str, **more: bytes) -> bytes:
    names = {name.replace("__", "/"): content for name, content in more.items()}
    return container({"mimetype": kind.encode(), "content.xml": b"<d/>", **names})


PDF = b"%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(40) + b"\xff\xd9"
WEBP = b"RIFF" + (20).to_bytes(4, "little") + b"WEBPVP8L" + bytes(12)

SAMPLES: Mapping[str, tuple[str, bytes]] = {
    media_types.PLAIN_TEXT: ("회의록.txt", "로동신문과 노동\r\n둘째 줄\t끝".encode()),
    media_types.CSV: ("명단.csv", "\ufeff이름,소속\n김,남측\n".encode()),
    media_types.PDF: ("통지문.pdf", PDF),
    media_types.PNG: ("지도.png", png()),
    media_types.JPEG: ("사진.jpeg", JPEG),
    media_types.WEBP: ("사진.webp", WEBP),
    media_types.ODT: ("합의서.odt", open_document(media_types.ODT)),
    media_types.ODS: ("표.ods", open_document(media_types.ODS)),
    media_types.ODP: ("발표.odp", open_document(media_types.ODP)),
    media_types.HWPX: ("공문.hwpx", open_document(media_types.HWPX, Contents__section0=b"<s/>")),
    media_types.DOCX: ("합의서.docx", office_document("word/document.xml")),
    media_types.XLSX: ("명단.xlsx", office_document("xl/workbook.xml")),
    media_types.PPTX: ("발표.pptx", office_document("ppt/presentation.xml")),
}

# What each pretends to be, and what it is instead.
IMPOSTORS: Mapping[str, tuple[str, bytes]] = {
    "a page": (media_types.PLAIN_TEXT, b"<!DOCTYPE html><script>alert(1)</script>"),
    "a page behind blanks": (media_types.PLAIN_TEXT, b"\xef\xbb\xbf \n\t<html><body onload=alert(1)>"),
    "a drawing": (media_types.PLAIN_TEXT, b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
    "a shell script": (media_types.PLAIN_TEXT, b"#!/bin/sh\nrm -rf /\n"),
    "a program of Windows": (media_types.PLAIN_TEXT, b"MZ\x90\x00\x03\x00\x00\x00" + bytes(100)),
    "a program of Linux": (media_types.PDF, b"\x7fELF\x02\x01\x01" + bytes(100)),
    "text in another encoding": (media_types.PLAIN_TEXT, "안녕하십니까".encode("cp949")),
    "text with controls": (media_types.CSV, b"a,b\x1b[2J\n"),
    "text that breaks off in a character": (media_types.PLAIN_TEXT, "끝".encode()[:2]),
    "a picture with a page behind it": (media_types.PNG, png() + b"<script>alert(1)</script>"),
    "a picture with an archive behind it": (media_types.JPEG, JPEG + container({"a.txt": b"x"})),
    "a picture that breaks off": (media_types.PNG, png()[:-4]),
    "a picture of another length": (media_types.WEBP, WEBP + b"x"),
    "a page before a document": (media_types.PDF, b"<html>" + PDF),
    "a document with an archive behind it": (media_types.PDF, PDF + container({"a.txt": b"x"})),
    "a document that breaks off": (media_types.PDF, PDF[:20]),
    "an archive": (media_types.DOCX, container({"a.txt": b"x"})),
    "an archive of a program": (media_types.DOCX, office_document("word/document.xml", setup=b"x", a__b_exe=b"x")[:-1]),
    "a document with macros": (
        media_types.DOCX,
        office_document("word/document.xml", **{"word__vbaProject.bin": b"x"}),
    ),
    "a document with a program": (media_types.XLSX, office_document("xl/workbook.xml", **{"xl__run.exe": b"MZ"})),
    "a document of another family": (media_types.ODT, open_document(media_types.ODS)),
    "a document with two hearts": (
        media_types.DOCX,
        office_document("word/document.xml", **{"xl__workbook.xml": b"x"}),
    ),
    "a document that climbs": (media_types.DOCX, office_document("word/document.xml", **{"..__..__evil.txt": b"x"})),
    "an open document with macros": (media_types.ODT, open_document(media_types.ODT, **{"Basic__m.xml": b"x"})),
    "something before a container": (media_types.DOCX, b"x" * 10 + office_document("word/document.xml")),
    "something behind a container": (media_types.DOCX, office_document("word/document.xml") + b"x"),
    "a container with a comment": (media_types.DOCX, office_document("word/document.xml")[:-2] + b"\x01\x00x"),
    "a container that says more than it has": (
        media_types.DOCX,
        office_document("word/document.xml")[:-14] + b"\xff\xff\xff\xff" + office_document("word/document.xml")[-10:],
    ),
}
