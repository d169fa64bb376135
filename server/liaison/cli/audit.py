"""`liaison audit`: who changed what, and whether the list is whole."""

from collections import deque
from collections.abc import AsyncIterator
from typing import Final

import click

from liaison.adapters.sql_directory import AUDIT_GENESIS, audit_link
from liaison.cli.back_office import in_office
from liaison.cli.exits import Failure
from liaison.cli.settings import json_option, office_options
from liaison.cli.tables import moment, show_json, show_table
from liaison.config import Config
from liaison.ports.directory import AuditRecord, Directory
from liaison.wiring import BackOffice

_PAGE: Final = 500


@click.command()
@click.option("-n", "--lines", type=click.IntRange(0), default=50, show_default=True, help="How many of the newest.")
@json_option
@office_options
def audit(*, lines: int, as_json: bool, config: Config) -> None:
    """Show who changed what, and check that no record was changed or taken out. Works beside a running server.

    With --json one object a line. Exits with 1, and names the record, when the chain is broken.
    """

    async def work(office: BackOffice) -> tuple[deque[AuditRecord], str]:
        newest: deque[AuditRecord] = deque(maxlen=lines)
        fault = ""
        before = AuditRecord(0, office.clock.wall_ms(), "", "", "", "", AUDIT_GENESIS)
        async for record in _records(office.directory):
            fault = fault or _fault(before, record)
            before = record
            newest.append(record)
        return newest, fault

    newest, fault = in_office(config, work)
    if as_json:
        for record in newest:
            show_json(_plain(record))
    else:
        show_table(
            ("Seq", "Time", "Who", "What", "Whom", "Detail"),
            [
                (str(one.seq), moment(one.time_ms), one.actor or "-", one.action, one.subject, one.detail)
                for one in newest
            ],
        )
    if fault:
        raise Failure(fault)


async def _records(directory: Directory) -> AsyncIterator[AuditRecord]:
    after = 0
    while page := await directory.audit_records(after=after, limit=_PAGE):
        for record in page:
            yield record
        after = page[-1].seq


def _fault(before: AuditRecord, record: AuditRecord) -> str:
    if record.seq != before.seq + 1:
        return f"the audit log is broken: record {before.seq + 1} is missing"
    if audit_link(before.link, record) != record.link:
        return f"the audit log is broken: record {record.seq} isn't what was written"
    return ""


def _plain(record: AuditRecord) -> dict[str, object]:
    return {
        "seq": record.seq,
        "time_ms": record.time_ms,
        "actor": record.actor,
        "action": record.action,
        "subject": record.subject,
        "detail": record.detail,
        "link": record.link.hex(),
    }
