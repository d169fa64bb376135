"""`liaison line-check`: what the line checks of the last days came to, the same as both sides read."""

import click
import msgspec

from liaison.cli.back_office import in_office
from liaison.cli.settings import json_option, office_options
from liaison.cli.tables import moment, show_json, show_table
from liaison.config import Config
from liaison.core.line_check_register import Checks, fold
from liaison.core.register_channels import LINE_CHECKS
from liaison.office.line_check_views import Strip
from liaison.office.registers import folded
from liaison.protocol.limits import DEFAULT_LINE_CHECK_DAYS, MAX_LINE_CHECK_DAYS
from liaison.wiring import BackOffice


@click.group(name="line-check")
def line_check() -> None:
    """Show what line checks came to. Works beside a running server."""


@line_check.command("list")
@click.option(
    "--days",
    type=click.IntRange(1, MAX_LINE_CHECK_DAYS),
    default=DEFAULT_LINE_CHECK_DAYS,
    show_default=True,
    help="So many days, the last is today.",
)
@json_option
@office_options
def list_checks(*, days: int, as_json: bool, config: Config) -> None:
    """List the checks of the last days, the oldest first."""

    async def work(office: BackOffice) -> Strip:
        checks = await folded(office.log, LINE_CHECKS, Checks(), fold)
        schedule = checks.schedule or config.line_check_schedule
        return Strip(checks, schedule, office.profile, office.clock.wall_ms())

    strip = in_office(config, work).days(days)
    if as_json:
        show_json([msgspec.to_builtins(day) for day in strip])
        return
    show_table(
        ("Check", "Due", "Calls first", "State", "Outcome", "At", "Reason", "Called by", "Answered by"),
        [
            (
                check.check,
                moment(check.due_ms),
                check.caller,
                check.state,
                check.outcome or "-",
                check.side or "-",
                check.reason or "-",
                check.called_by or "-",
                check.answered_by or "-",
            )
            for day in strip
            for check in day.checks
        ],
    )
