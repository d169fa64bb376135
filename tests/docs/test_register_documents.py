"""PROTOCOL.md's sections on registers say what the code does: their tables are whole, their pictures the code's."""

import re
import typing
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from liaison.core import dispatch, duty, line_check, side_keys, suspension, two_keys
from liaison.office.administration import AdministrationDepartment
from liaison.office.dispatches import DispatchDepartment
from liaison.office.duty import DutyDepartment
from liaison.office.line_checks import LineCheckDepartment
from liaison.office.record import RecordDepartment
from liaison.protocol import (
    administration_frames,
    dispatch_frames,
    duty_frames,
    line_check_frames,
    record_frames,
)
from liaison.protocol.errors import ErrorCode
from tests.docs.markdown import document, fields, name, names, section, table

Kind = type[msgspec.Struct]


@dataclass(frozen=True)
class Documented:
    """A register's section, and what in the code it is about."""

    number: str
    department: Any
    commands: Any
    machines: Sequence[Any]
    errors: range
    objects: Mapping[str, Kind]

    @property
    def text(self) -> str:
        return section(document("PROTOCOL.md"), self.number)

    @property
    def command_of(self) -> Mapping[str, Kind]:
        return {str(each.__struct_config__.tag): each for each in typing.get_args(self.commands)}

    def reply_to(self, command: Kind) -> Kind:
        """Give a command's reply, as its handler says it."""
        kind: Kind = typing.get_type_hints(self.department.handlers(self.department)[command])["return"]
        return kind


REGISTERS = [
    Documented(
        "13.1",
        DispatchDepartment,
        dispatch_frames.DispatchCommand,
        [dispatch],
        range(600, 620),
        {
            "item": dispatch_frames.DispatchItem,
            "dispatch": dispatch_frames.DispatchLine,
            "content": dispatch_frames.DispatchContent,
            "choice": dispatch_frames.DispatchChoice,
            "step": dispatch_frames.DispatchStep,
        },
    ),
    Documented(
        "13.2",
        LineCheckDepartment,
        line_check_frames.LineCheckCommand,
        [line_check],
        range(620, 626),
        {
            "check": line_check_frames.LineCheckInfo,
            "day": line_check_frames.LineCheckDay,
            "heartbeat": line_check_frames.HeartbeatInfo,
        },
    ),
    Documented(
        "13.3",
        AdministrationDepartment,
        administration_frames.AdministrationCommand,
        [suspension, two_keys],
        range(640, 660),
        {
            "held message": administration_frames.HeldMessage,
            "proposal": administration_frames.ProposalInfo,
            "approval": administration_frames.ApprovalInfo,
            "suspension": administration_frames.SuspensionInfo,
            "retention": administration_frames.RetentionInfo,
            "export": administration_frames.ExportInfo,
        },
    ),
    Documented(
        "13.4",
        RecordDepartment,
        record_frames.RecordCommand,
        [side_keys],
        range(660, 680),
        {
            "side key": record_frames.KeyInfo,
            "signed up to": record_frames.SignedUpToInfo,
            "signed head": record_frames.SignedHeadInfo,
        },
    ),
    Documented(
        "13.5",
        DutyDepartment,
        duty_frames.DutyCommand,
        [duty],
        range(626, 640),
        {
            "side": duty_frames.DutySide,
            "shift": duty_frames.ShiftInfo,
            "item": duty_frames.OpenItem,
            "desk": duty_frames.DeskInfo,
            "handover": duty_frames.HandoverInfo,
        },
    ),
]

pytestmark = pytest.mark.parametrize("register", REGISTERS, ids=lambda register: str(register.number))


def pictures(text: str) -> list[str]:
    return re.findall(r"```mermaid\n(.*?)\n```", text, re.DOTALL)


def refusals(table_: Mapping[tuple[Any, Any], Any]) -> list[str]:
    """Give the rows that say, state by state, which error answers what its table doesn't have."""
    rows = []
    for state in dict.fromkeys(state for state, _ in table_):
        refused = {event.value: cell for (at, event), cell in table_.items() if at is state and cell in ErrorCode}
        if not refused:
            continue
        usual = Counter(refused.values()).most_common(1)[0][0]
        rare = [f"`{cell.wire_name}` to `{event}`" for event, cell in refused.items() if cell is not usual]
        rows.append(f"| {state.value} | {', '.join([f'`{usual.wire_name}`', *rare])} |")
    return rows


def test_the_pictures_are_drawn_from_the_tables(register: Documented) -> None:
    assert pictures(register.text) == [machine.diagram() for machine in register.machines]


def test_what_each_state_refuses_is_told_with_its_error(register: Documented) -> None:
    told = re.findall(r"^\| refusing state \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", register.text, re.MULTILINE)
    assert [rows.splitlines() for rows in told] == [refusals(machine.TABLE) for machine in register.machines]


def test_every_error_of_a_register_is_in_its_table_or_among_those_that_a_step_has_besides(register: Documented) -> None:
    of_tables = {cell for machine in register.machines for cell in machine.TABLE.values() if cell in ErrorCode}
    (said,) = re.findall(r"^Besides: (.*?)\.$", register.text, re.MULTILINE | re.DOTALL)
    mine = [error for error in ErrorCode if error.value.code in register.errors]
    assert names(said) == [error.wire_name for error in mine if error not in of_tables]
    assert {error for error in of_tables if error.value.code >= 600} <= set(mine)


def test_each_command_has_its_row_with_every_field_of_it_and_of_its_reply(register: Documented) -> None:
    rows = table(register.text, "command")
    assert [name(row["command"]) for row in rows] == list(register.command_of)
    for row in rows:
        command = register.command_of[name(row["command"])]
        assert names(row["fields"]) == fields(command), command
        assert names(row["reply"]) == fields(register.reply_to(command)), command


def test_what_each_field_of_a_command_holds_is_said(register: Documented) -> None:
    said = [field for row in table(register.text, "field") for field in names(row["field"])]
    used = {field.rstrip("?") for command in register.command_of.values() for field in fields(command)}
    assert sorted(said) == sorted(used)


def test_each_object_has_its_row_with_every_field(register: Documented) -> None:
    rows = table(register.text, "object")
    assert {row["object"]: names(row["fields"]) for row in rows} == {
        what: fields(kind) for what, kind in register.objects.items()
    }
