"""`liaison dispatch`: the joint register of dispatches, without any text of them."""

from typing import Final
from zoneinfo import ZoneInfo

import click
import msgspec

from liaison.cli.back_office import in_office
from liaison.cli.exits import Failure
from liaison.cli.settings import json_option, office_options, side_named
from liaison.cli.tables import moment, show_json, show_table
from liaison.config import Config
from liaison.core.dispatch import State
from liaison.core.dispatch_register import Book, fold
from liaison.core.entries import Precedence
from liaison.core.identifiers import NO_DELEGATION
from liaison.core.register_channels import DISPATCHES
from liaison.office.dispatch_views import Folder, Selection, View
from liaison.office.registers import folded
from liaison.protocol.dispatch_frames import DispatchStep
from liaison.protocol.errors import Refused
from liaison.wiring import BackOffice

# As the wire names them in a filter, where empty is any.
_PRECEDENCES: Final = [each.value or "routine" for each in Precedence]


@click.group()
def dispatch() -> None:
    """Show which dispatches were tendered and how they stand, never their text. Works beside a running server."""


@dispatch.command("list")
@click.option("--state", type=click.Choice([state.value for state in State]), default=None, help="Only these.")
@click.option("--side", metavar="DELEGATION", default="", help="Only those that this delegation sends.")
@click.option("--precedence", type=click.Choice(_PRECEDENCES), default=None, help="Only those of this precedence.")
@click.option("--waits-on", metavar="DELEGATION", default="", help="Only those about which it has to act next.")
@click.option("--year", type=int, default=0, help="Only those tendered in this year.")
@click.option("--overdue", is_flag=True, help="Only those whose next step takes too long.")
@click.option("-n", "--lines", type=click.IntRange(1), default=50, show_default=True, help="How many of the newest.")
@json_option
@office_options
def list_dispatches(  # noqa: PLR0913  One for each option.
    *,
    state: str | None,
    side: str,
    precedence: str | None,
    waits_on: str,
    year: int,
    overdue: bool,
    lines: int,
    as_json: bool,
    config: Config,
) -> None:
    """List tendered dispatches, the newest first."""
    for named in filter(None, (side, waits_on)):
        side_named(config, named)
    wanted = Selection(
        state=state or "", side=side, precedence=precedence or "", waits_on=waits_on, overdue=overdue, year=year
    )

    async def work(office: BackOffice) -> View:
        return await _view(office)

    found, _ = in_office(config, work).lines(wanted, lines)
    if as_json:
        show_json([msgspec.to_builtins(line) for line in found])
        return
    show_table(
        ("Number", "State", "Precedence", "Begun", "Waits on", "Overdue", "Subject"),
        [
            (
                line.number,
                line.state,
                line.precedence or "routine",
                moment(line.begun_ms),
                line.waits_on or "-",
                "overdue" if line.overdue else "-",
                line.subject,
            )
            for line in found
        ],
    )


@dispatch.command()
@click.argument("number")
@json_option
@office_options
def show(*, number: str, as_json: bool, config: Config) -> None:
    """Show the steps of dispatch NUMBER since its tender."""

    async def work(office: BackOffice) -> View:
        return await _view(office)

    try:
        whole = in_office(config, work).whole(1, number)
    except Refused as error:
        raise Failure(f"there is no dispatch {number!r}") from error
    if as_json:
        show_json(
            {
                "dispatch": msgspec.to_builtins(whole.dispatch),
                "history": [msgspec.to_builtins(step) for step in _without_values(whole.history)],
            }
        )
        return
    show_table(
        ("Time", "Step", "By", "Side", "Entry", "Note"),
        [
            (moment(step.time_ms), step.event, step.name or step.user, step.delegation, str(step.seq), step.note)
            for step in whole.history
        ],
    )


def _without_values(history: list[DispatchStep]) -> list[DispatchStep]:
    """What was read back is part of the text."""
    return [msgspec.structs.replace(step, values=[], matching=[]) for step in history]


async def _view(office: BackOffice) -> View:
    folder = Folder(
        NO_DELEGATION, Book(is_joint=False), await folded(office.log, DISPATCHES, Book(is_joint=True), fold)
    )
    zone = ZoneInfo(office.profile.time_zone)
    return View(folder, office.profile, office.registry.rights.accounts, zone, office.clock.wall_ms())
