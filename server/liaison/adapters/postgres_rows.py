"""Columns of many rows as parameters: PostgreSQL's array literals, which `unnest` makes rows of again.

As texts, and not as lists for the driver to convert: that costs a sixth of the time, and a statement's parameters have
the same types whatever is in them, so that it is prepared once.
"""

from collections.abc import Iterable


def texts(values: Iterable[str | None]) -> str:
    """Give a text[] literal."""
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def numbers(values: Iterable[int]) -> str:
    """Give an int[] or bigint[] literal."""
    return "{" + ",".join(map(str, values)) + "}"


def flags(values: Iterable[bool]) -> str:
    """Give a boolean[] literal."""
    return "{" + ",".join(["t" if value else "f" for value in values]) + "}"


def blobs(values: Iterable[bytes]) -> str:
    """Give a bytea[] literal."""
    return "{" + ",".join([f'"\\\\x{value.hex()}"' for value in values]) + "}"


def _quoted(value: str) -> str:
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'
