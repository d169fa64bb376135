"""Many rows in few statements, for SQLite."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Final

# 17 columns of 64 rows, well below the 32,766 values that a statement may have.
_MAX_RUN: Final = 64


def by_rows(statement: str, rows: Sequence[tuple[object, ...]]) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Cut rows into runs that one statement takes, each as the statement and its values.

    Each step of a statement lets go of the interpreter's lock and must win it back from a busy event loop, which can
    take 5 ms; also within `executemany`. Runs are powers of two long, so that the driver has few statements to keep.
    """
    start = 0
    while start < len(rows):
        size = min(_MAX_RUN, 1 << ((len(rows) - start).bit_length() - 1))
        run = rows[start : start + size]
        yield _for_rows(statement, size, len(run[0])), tuple(chain.from_iterable(run))
        start += size


@cache
def _for_rows(statement: str, rows: int, columns: int) -> str:
    return statement % ", ".join([f"({', '.join('?' * columns)})"] * rows)
