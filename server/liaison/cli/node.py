"""Runs one node until it is told to stop: signals, draining, exit codes."""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from liaison.cli.exits import Exit, Failure
from liaison.config import Config, warnings
from liaison.wiring import CannotStart, Running, serving

_log = structlog.get_logger(__name__)

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

OnReady = Callable[[Running], Awaitable[None]]


def run_node(config: Config, on_ready: OnReady, *, before_abandoning: Callable[[], None] = lambda: None) -> Exit:
    """Serve until SIGTERM or SIGINT, drain, and give the exit code; a second signal ends the process at once.

    `on_ready` is awaited when the node serves; `before_abandoning` is called before the process ends at once.
    Raises Failure(UNAVAILABLE).
    """
    for warning in warnings(config):
        _log.warning(warning)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(_serve(config, on_ready, before_abandoning))
        except CannotStart as error:
            raise Failure(str(error), Exit.UNAVAILABLE) from error
        except ExceptionGroup:
            # One of the office's loops failed and took the others down.
            _log.critical("the office failed, the process must start anew", exc_info=True)
            return Exit.INTERNAL


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(config: Config, on_ready: OnReady, before_abandoning: Callable[[], None]) -> Exit:
    told = _listen_to_signals(before_abandoning)
    async with serving(config) as running:
        try:
            await on_ready(running)
        except Failure as error:
            # Not raised in here, because the office's task group would make a group of it.
            failure = error
        else:
            return await _until_told(running, told, config.limits.drain_notice_s)
    raise failure


async def _until_told(running: Running, told: "asyncio.Future[None]", drain_notice_s: float) -> Exit:
    # What was loaded stays for good: looking through it in each collection would only cost pauses.
    gc.collect()
    gc.freeze()
    if await _first(told, running.broken):
        _log.info("stopping")
        running.office.retire()
        if drain_notice_s:
            await asyncio.sleep(drain_notice_s)
        running.server.stop_accepting()
        await running.office.drain()
        return Exit.OK
    # What is on the disk is in doubt, so nothing more is promised: clients are cut off and come back to a new start.
    _log.critical("the database failed, the process must start anew", reason=running.broken.result())
    return Exit.INTERNAL


async def _first(told: "asyncio.Future[None]", broken: "asyncio.Future[str]") -> bool:
    """Wait for either; say whether it was `told`. Broken wins, since there is nothing left to drain into."""
    await asyncio.wait((told, broken), return_when=asyncio.FIRST_COMPLETED)
    return not broken.done()


def _listen_to_signals(before_abandoning: Callable[[], None]) -> "asyncio.Future[None]":
    loop = asyncio.get_running_loop()
    told: asyncio.Future[None] = loop.create_future()

    def on_signal(number: signal.Signals) -> None:
        if told.done():
            before_abandoning()
            # The log is safe at every moment; whoever asks twice wants to wait for nothing.
            os._exit(128 + number)
        told.set_result(None)

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    return told
