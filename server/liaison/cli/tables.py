"""Rows for people and for scripts: a table on a terminal, tab-separated lines elsewhere, JSON where asked for."""

import json
import sys
import time
from collections.abc import Sequence

import click

Row = Sequence[str]


def show_table(headings: Row, rows: Sequence[Row]) -> None:
    """Write rows to stdout."""
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, box=box.SIMPLE)
    for row in rows:
        # As Text: a name with brackets in it is no markup.
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)


def show_json(value: object) -> None:
    """Write a value to stdout as one line of JSON."""
    click.echo(json.dumps(value, ensure_ascii=False))


def moment(wall_ms: int) -> str:
    """Give a moment as people and scripts both read it, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(wall_ms / 1000))
