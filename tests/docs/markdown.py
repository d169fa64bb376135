"""Reads a document's sections, tables and examples, so that tests can compare them with the code."""

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]

_CODE = re.compile(r"`([^`]+)`")
_EXAMPLE = re.compile(r"^([→←]) (\{.*\})$", re.MULTILINE)


def document(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def section(text: str, number: str) -> str:
    """Give what stands below a numbered heading, up to the next one of the same or a higher level."""
    heading = re.search(rf"^(#+) {re.escape(number)}\.? .*$", text, re.MULTILINE)
    assert heading is not None, number
    level = len(heading.group(1))
    end = re.compile(rf"^#{{1,{level}}} ", re.MULTILINE).search(text, heading.end())
    return text[heading.end() : len(text) if end is None else end.start()]


def table(text: str, first_column: str) -> list[dict[str, str]]:
    """Give the rows of the one table whose first column has this heading, by the headings."""
    found = []
    lines = text.splitlines()
    for at, line in enumerate(lines):
        heads = _cells(line)
        if heads and heads[0] == first_column and _cells(lines[at + 1])[0].startswith("---"):
            rows = []
            for row in lines[at + 2 :]:
                if not row.startswith("|"):
                    break
                rows.append(dict(zip(heads, _cells(row), strict=True)))
            found.append(rows)
    assert len(found) == 1, (first_column, len(found))
    return found[0]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []


def names(cell: str) -> list[str]:
    """Give what a cell has in code type, in its order."""
    return _CODE.findall(cell)


def name(cell: str) -> str:
    """Give the one name that a cell has in code type."""
    (only,) = names(cell)
    return only


@dataclass(frozen=True, slots=True)
class Example:
    """A frame of an example; `is_sent` by the client."""

    is_sent: bool
    json: str


def examples(text: str) -> list[Example]:
    """Give the frames of a text's examples, in their order."""
    return [Example(arrow == "→", json) for arrow, json in _EXAMPLE.findall(text)]


def python_blocks(text: str) -> list[str]:
    return _blocks(text, "python")


def javascript_blocks(text: str) -> list[str]:
    return _blocks(text, "js")


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def fields(kind: type[msgspec.Struct], *, without: tuple[str, ...] = ("id",)) -> list[str]:
    """Give a frame's fields as tables name them: with a question mark where one may be left out."""
    return [
        field.name + ("" if field.required else "?")
        for field in msgspec.structs.fields(kind)
        if field.name not in without
    ]
