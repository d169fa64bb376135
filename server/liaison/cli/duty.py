"""`liaison duty`: who is on duty on both sides, and one side's roster as a file."""

import secrets
import sys
from pathlib import Path
from typing import IO, Final

import click
import msgspec

from liaison.cli.back_office import in_office, operator
from liaison.cli.exits import Exit, Failure
from liaison.cli.settings import json_option, office_options, side_named
from liaison.cli.tables import moment, show_json, show_table
from liaison.config import Config
from liaison.core import administration
from liaison.core.duty import DutyBook, Hand, fold, put_up
from liaison.core.duty_files import FORMATS
from liaison.core.duty_roster import Duty, Watch, check_roster
from liaison.core.identifiers import OFFICE, DelegationId, Millis
from liaison.core.profile import Granularity
from liaison.core.register_channels import ADMINISTRATION, own_duty
from liaison.office.duty_rosters import check_people
from liaison.office.founding import found_registers
from liaison.office.registers import folded
from liaison.ports.log import HeadMovedError, UnknownOutcomeError
from liaison.protocol.errors import ErrorCode, Refused
from liaison.protocol.limits import DEFAULT_ROSTER_DAYS, MAX_ROSTER_CHARS, MAX_ROSTER_DAYS
from liaison.wiring import BackOffice

_DAY_MS: Final = 86_400_000
_SUFFIXES: Final = {".csv": "csv", ".ics": "icalendar"}

_side_argument = click.argument("side", metavar="DELEGATION")
_format_option = click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), help="Default: by the file's name, .csv or .ics; else csv."
)


class Desk(msgspec.Struct, frozen=True, omit_defaults=True):
    """A side's desk by its roster, as finely as the sides show each other; what that doesn't tell is left out."""

    delegation: str
    granularity: str
    has_roster: bool
    staffed_by_roster: bool
    on_duty_count: int | None = None
    officer: str | None = None
    on_duty: list[str] | None = None
    unstaffed_since_ms: int = 0


@click.group()
def duty() -> None:
    """Show who is on duty, put up and export rosters. Works beside a running server.

    Only the server knows who is connected: what is shown is the roster's, and the alarm of an empty desk.
    """


@duty.command()
@json_option
@office_options
def show(*, as_json: bool, config: Config) -> None:
    """Show who is on duty now on both sides, as finely as they agreed to show each other."""

    async def work(office: BackOffice) -> list[Desk]:
        affairs = await folded(office.log, ADMINISTRATION, administration.NOTHING, administration.fold)
        granularity = affairs.granularity or office.profile.granularity
        sides = sorted(delegation.id for delegation in office.profile.delegations)
        return [_desk(side, await _book(office, side), granularity, office.clock.wall_ms()) for side in sides]

    desks = in_office(config, work)
    if as_json:
        show_json([msgspec.to_builtins(desk) for desk in desks])
        return
    show_table(
        ("Side", "Shown", "By the roster", "Duty officer", "On duty", "Nobody there since"),
        [
            (
                desk.delegation,
                desk.granularity,
                "no roster" if not desk.has_roster else "staffed" if desk.staffed_by_roster else "unstaffed",
                desk.officer or "-",
                "-" if desk.on_duty_count is None else " ".join(desk.on_duty or [str(desk.on_duty_count)]),
                moment(desk.unstaffed_since_ms) if desk.unstaffed_since_ms else "-",
            )
            for desk in desks
        ],
    )


def _desk(side: DelegationId, book: DutyBook, granularity: Granularity, now_ms: Millis) -> Desk:
    watches = [] if book.roster is None else book.roster.on_duty(now_ms)
    # Ops are told of the alarm whatever the sides show each other.
    desk = Desk(
        side, granularity.value, book.roster is not None, bool(watches), unstaffed_since_ms=int(book.unstaffed_ms)
    )
    if granularity is Granularity.STAFFED:
        return desk
    desk = msgspec.structs.replace(desk, on_duty_count=len(watches))
    if granularity is Granularity.COUNT:
        return desk
    officer = next((watch.user for watch in watches if watch.duty is Duty.OFFICER), "")
    return msgspec.structs.replace(desk, officer=officer, on_duty=[watch.user for watch in watches])


@duty.command("list")
@_side_argument
@click.option(
    "--days",
    type=click.IntRange(1, MAX_ROSTER_DAYS),
    default=DEFAULT_ROSTER_DAYS,
    show_default=True,
    help="So many days from now on.",
)
@json_option
@office_options
def list_shifts(*, side: str, days: int, as_json: bool, config: Config) -> None:
    """List the shifts of DELEGATION, south or north, from now on."""
    delegation = side_named(config, side)

    async def work(office: BackOffice) -> list[Watch]:
        book, now_ms = await _book(office, delegation.id), office.clock.wall_ms()
        return [] if book.roster is None else book.roster.watches(now_ms, Millis(now_ms + days * _DAY_MS))

    watches = in_office(config, work)
    if as_json:
        show_json(
            [
                {"user": each.user, "duty": each.duty.value, "start_ms": each.start_ms, "end_ms": each.end_ms}
                for each in watches
            ]
        )
        return
    show_table(
        ("Begins", "Ends", "Duty", "User"),
        [(moment(each.start_ms), moment(each.end_ms), each.duty.value, each.user) for each in watches],
    )


@duty.command("import")
@_side_argument
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@_format_option
@office_options
def import_roster(*, side: str, file: str, form: str | None, config: Config) -> None:
    """Put the roster in FILE, '-' for stdin, in the place of that of DELEGATION.

    CSV has the columns user,duty,first,begins,ends,days,every_weeks,last; a calendar one VEVENT for each shift. The
    whole roster is refused, and the line is named, where it can't be read, leaves an hour of the desk without an
    officer, or has somebody on duty twice. The side's register says that the office put it up, the audit log who did.
    """
    delegation = side_named(config, side)
    with click.open_file(file, "rb") as content:
        text = _text(content)
    read, _ = FORMATS[form or _format_of(file)]

    async def work(office: BackOffice) -> int:
        roster = read(text, delegation.time_zone)
        check_people(roster, delegation.id, office.registry.rights.accounts)
        check_roster(roster, config.desk_hours)
        # Beside a server that has never been started, the register may not be there yet, and the side must find it.
        await found_registers(office.directory, office.profile)
        channel = own_duty(delegation.id)
        # Before the register is read: what comes in between is refused then, and not overwritten unseen.
        head = (await office.log.heads([channel]))[channel].seq
        book = await _book(office, delegation.id)
        hand = Hand(OFFICE, delegation.id, f"operator {secrets.token_hex(8)}")
        draft = put_up(book, hand, roster, book.revision)
        try:
            await office.log.append(channel, [draft], office.clock.wall_ms(), expect_head=head)
        except HeadMovedError as error:
            message = "the register was written to meanwhile, and nothing was put up; try again"
            raise Failure(message, Exit.UNAVAILABLE) from error
        except UnknownOutcomeError as error:
            message = f"it is not known whether the roster was put up; see `liaison duty list {delegation.id}`"
            raise Failure(message, Exit.UNAVAILABLE) from error
        await office.directory.audit(operator(), "duty.imported", delegation.id, f"{len(roster.shifts)} shifts")
        return len(roster.shifts)

    shifts = in_office(config, work)
    click.echo(f"{shifts} lines are the roster of {delegation.id} now", err=True)


@duty.command()
@_side_argument
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="A new file. Default: stdout.")
@_format_option
@office_options
def export(*, side: str, output: Path | None, form: str | None, config: Config) -> None:
    """Write the roster of DELEGATION as `liaison duty import` and calendars read it."""
    delegation = side_named(config, side)
    _, write = FORMATS[form or _format_of("" if output is None else output.name)]

    async def work(office: BackOffice) -> str:
        book = await _book(office, delegation.id)
        if book.roster is None:
            raise Refused(ErrorCode.NO_ROSTER, f"{delegation.id} has put up no roster yet; see `liaison duty import`")
        return write(book.roster)

    text = in_office(config, work).encode()
    if output is None:
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
        return
    try:
        with output.open("xb") as file:
            file.write(text)
    except FileExistsError as error:
        raise Failure(f"{output} exists; name a new file") from error
    except OSError as error:
        raise Failure(f"{output} cannot be written: {error.strerror}", Exit.UNAVAILABLE) from error


async def _book(office: BackOffice, side: DelegationId) -> DutyBook:
    return await folded(office.log, own_duty(side), DutyBook(), fold)


def _format_of(name: str) -> str:
    return _SUFFIXES.get(Path(name).suffix.lower(), "csv")


def _text(file: IO[bytes]) -> str:
    # A character has four bytes at most; one more shows that there is more.
    content: bytes = file.read(4 * MAX_ROSTER_CHARS + 1)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        if len(content) <= 4 * MAX_ROSTER_CHARS:
            raise Failure("a roster is UTF-8 text, and this is not") from error
        text = " " * len(content)
    if len(text) > MAX_ROSTER_CHARS:
        raise Failure(f"a roster has up to {MAX_ROSTER_CHARS:,} characters")
    return text
