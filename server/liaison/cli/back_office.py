"""Runs a command's work on an office's data, and turns what can go wrong into exit codes."""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

from liaison.cli.exits import Exit, Failure
from liaison.config import Config
from liaison.ports.directory import DirectoryUnavailableError
from liaison.ports.log import LogUnavailableError
from liaison.protocol.errors import Refused, Unavailable
from liaison.wiring import BackOffice, CannotStart, back_office

Result = TypeVar("Result")


def in_office(config: Config, work: Callable[[BackOffice], Awaitable[Result]], *, create: bool = False) -> Result:
    """Open the office's data, run `work`, close. With `create` a new office is begun where there is none.

    Raises Failure: BAD for what is refused, UNAVAILABLE for data that can't be used now.
    """

    async def run() -> Result:
        async with back_office(config, create=create) as office:
            return await work(office)

    try:
        return asyncio.run(run())
    except Unavailable as error:
        raise Failure(error.message, Exit.UNAVAILABLE) from error
    except Refused as error:
        raise Failure(error.message) from error
    except (CannotStart, LogUnavailableError, DirectoryUnavailableError) as error:
        raise Failure(str(error), Exit.UNAVAILABLE) from error


def operator() -> str:
    """Give who runs this command, for the audit log."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        # A container may run as a number that has no name.
        name = str(os.getuid())
    return f"cli:{name}"
