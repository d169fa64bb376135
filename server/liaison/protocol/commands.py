"""Every command of the wire as one union: the core's and the registers'. (PROTOCOL.md §4, §13)

A register keeps its commands and replies in a module of its own and adds its union here.
"""

from liaison.protocol import frames
from liaison.protocol.administration_frames import AdministrationCommand
from liaison.protocol.dispatch_frames import DispatchCommand
from liaison.protocol.duty_frames import DutyCommand
from liaison.protocol.line_check_frames import LineCheckCommand
from liaison.protocol.record_frames import RecordCommand

AnyCommand = (
    frames.AnyCommand | DispatchCommand | AdministrationCommand | LineCheckCommand | DutyCommand | RecordCommand
)
