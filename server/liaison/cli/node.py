"""Runs one node until it is told to stop: signals, draining, exit codes."""

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from liaison.cli.exits import Exit, Failure
from liaison.config import Config, warnings
from liaison.wiring import CannotStart, Running, serving

_log = structlog.get_logger(__name__)

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_STDIN: Final = 0
_CHUNK_BYTES: Final = 4096

OnReady = Callable[[Running], Awaitable[None]]


def run_node(
    config: Config,
    on_ready: OnReady,
    *,
    handed: Sequence[socket.socket] = (),
    ends_with_stdin: bool = False,
    before_abandoning: Callable[[], None] = lambda: None,
) -> Exit:
    """Serve until SIGTERM or SIGINT, drain, and give the exit code; a second signal ends the process at once.

    `on_ready` is awaited when the node serves; `handed`: see wiring.serving; with `ends_with_stdin` the end of stdin is
    as good as SIGTERM; `before_abandoning` is called before the process ends at once. Raises Failure(UNAVAILABLE).
    """
    for warning in warnings(config):
        _log.warning(warning)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(_serve(config, on_ready, handed, _Told(before_abandoning, ends_with_stdin)))
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


@dataclass(frozen=True, slots=True)
class _Told:
    """By what a node is told to end, and what is to be done before it ends at once."""

    before_abandoning: Callable[[], None]
    ends_with_stdin: bool

    def listen(self) -> "asyncio.Future[None]":
        """Give what is done once the node is told to end."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[None] = loop.create_future()

        def on_signal(number: signal.Signals) -> None:
            if told.done():
                self.before_abandoning()
                # The log is safe at every moment; whoever asks twice wants to wait for nothing.
                os._exit(128 + number)
            told.set_result(None)

        def on_stdin() -> None:
            if not os.read(_STDIN, _CHUNK_BYTES):
                loop.remove_reader(_STDIN)
                if not told.done():
                    told.set_result(None)

        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, on_signal, number)
        if self.ends_with_stdin:
            loop.add_reader(_STDIN, on_stdin)
        return told


async def _serve(config: Config, on_ready: OnReady, handed: Sequence[socket.socket], by: _Told) -> Exit:
    told = by.listen()
    async with serving(config, handed) as running:
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
