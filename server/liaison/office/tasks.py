"""Who owns the office's tasks, and what happens when one fails."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

import structlog

_log = structlog.get_logger(__name__)


class Spawn(Protocol):
    """Starts a task that the office owns and cancels when it stops."""

    def __call__(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        """Run `work` in the background. A failure in it is logged and ends only this task."""
        ...


async def contained(work: Coroutine[Any, Any, None], name: str) -> None:
    """Await `work` at a task's outermost boundary: an exception is a bug, is logged, and harms nobody else."""
    try:
        await work
    except Exception:  # noqa: BLE001  This is the boundary that the docstring speaks of.
        _log.exception("task failed", task=name)
