"""Several servers on one port: starts them, keeps them running, restarts them one by one, ends them together.

Each worker is a `liaison serve --worker` that binds the same port by SO_REUSEPORT; the kernel deals connections out
among those that listen, and the workers find each other through Redis. This process serves nothing by itself.
"""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from liaison.cli.exits import Exit
from liaison.config import Config

_log = structlog.get_logger(__name__)

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
# Doubled with each end that nobody asked for, up to the second; a worker that served for the third begins anew.
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_PROVEN_AFTER_S: Final = 60.0
# What a worker may take beyond its notice and its drain: closing connections, and the interpreter's end.
_STOP_MARGIN_S: Final = 10.0
# What the supervisor above hands over or wants to be told is this process's business.
_NOT_FOR_WORKERS: Final = frozenset({"NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"})


@dataclass(frozen=True, slots=True)
class Serving:
    """What a worker says of itself once it serves."""

    address: str
    node: str
    pid: int


class Worker:
    """A place among the workers, and the process that is in it now."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name: Final = environment["LIAISON_SERVER__NODE"]
        self._command = command
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._serving: Serving | None = None
        self._is_told_to_end = False
        self._changed = asyncio.Event()

    async def start(self) -> Serving | None:
        """Start a process; give what it says once it serves, or None when it ended before that."""
        self._is_told_to_end = False
        # The pipe to its stdin is never written to: it breaks when this process dies, and the worker ends then. A
        # session of its own keeps the terminal's Ctrl-C from it, which together with ours would be two signals.
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        self._serving = Serving(**json.loads(line)) if line else None
        self._changed.set()
        return self._serving

    async def ended(self) -> int:
        """Wait for the end of the process and give its exit code, negative for a signal; 0 if it never began."""
        if self._process is None:
            return 0
        code = await self._process.wait()
        self._serving = None
        return code

    def end(self) -> None:
        """Tell the process to end in good order. Once, for a second signal would end it at once."""
        if not self._is_told_to_end:
            self._signal(signal.SIGTERM)
            self._is_told_to_end = True

    def kill(self) -> None:
        """End the process at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            # Not `send_signal`, which looks whether the process has ended and thereby takes its exit code away from
            # asyncio's watcher, which then reports 255.
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    async def renew(self) -> None:
        """End the process in good order, and return once the one that follows it serves."""
        before = self._serving
        self.end()
        while self._serving is None or self._serving is before:
            self._changed.clear()
            await self._changed.wait()


class Workers:
    """All workers of one port. `stop_timeout_s`: how long one may take to end before it is killed."""

    def __init__(self, workers: Sequence[Worker], *, stop_timeout_s: float) -> None:
        self._workers = workers
        self._stop_timeout_s = stop_timeout_s
        self._told = asyncio.Event()
        self._roll_asked = asyncio.Event()

    async def run(self, on_ready: Callable[[Sequence[Serving]], None]) -> int:
        """Serve until SIGTERM or SIGINT, and give the exit code; SIGHUP restarts the workers one by one.

        `on_ready` is called when all serve. When one doesn't come to that, the others are ended as well.
        """
        self._listen_to_signals()
        serving = await self._start_all()
        if serving is None or self._told.is_set():
            self._end_all()
            return _worst([await worker.ended() for worker in self._workers])
        on_ready(serving)
        async with asyncio.TaskGroup() as tasks:
            rolling = tasks.create_task(self._roll_when_asked(), name="rolling restart")
            keeping = [tasks.create_task(self._keep(worker), name=worker.name) for worker in self._workers]
            codes = [await task for task in keeping]
            rolling.cancel()
        return _worst(codes)

    async def _start_all(self) -> list[Serving] | None:
        # The first one makes or upgrades the database, and what is wrong with all is said once.
        first = await self._workers[0].start()
        if first is None or self._told.is_set():
            return None
        async with asyncio.TaskGroup() as tasks:
            others = [tasks.create_task(worker.start(), name=worker.name) for worker in self._workers[1:]]
        serving = [told for other in others if (told := other.result()) is not None]
        return [first, *serving] if len(serving) == len(others) else None

    async def _keep(self, worker: Worker) -> int:
        """Let a worker be followed by another until all are told to end; give the last one's exit code."""
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        began_s = loop.time()
        while True:
            code = await worker.ended()
            if self._told.is_set():
                return code
            if code == Exit.OK:
                _log.info("worker restarts", worker=worker.name)
            else:
                if loop.time() - began_s > _PROVEN_AFTER_S:
                    pause_s = _FIRST_PAUSE_S
                _log.error("worker ended", worker=worker.name, exit_code=code, restart_in_s=pause_s)
                if await self._told_within(pause_s):
                    return code
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            began_s = loop.time()
            if await worker.start() is None:
                continue
            if self._told.is_set():
                # Told while it was being started.
                worker.end()
            else:
                _log.info("worker serves", worker=worker.name)

    async def _told_within(self, pause_s: float) -> bool:
        try:
            async with asyncio.timeout(pause_s):
                await self._told.wait()
        except TimeoutError:
            return False
        return True

    async def _roll_when_asked(self) -> None:
        while True:
            await self._roll_asked.wait()
            _log.info("rolling restart begins", workers=len(self._workers))
            # One that doesn't come back stops the round here, so that those which serve go on serving.
            for worker in self._workers:
                await worker.renew()
            # A wish that came meanwhile was for the configuration as it was when the last ones started.
            self._roll_asked.clear()
            _log.info("rolling restart done")

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._roll_asked.set)

    def _stop(self) -> None:
        if self._told.is_set():
            # The log is safe at every moment; whoever asks twice wants to wait for nothing.
            self._kill_all()
            return
        _log.info("stopping", workers=len(self._workers))
        self._told.set()
        self._end_all()
        asyncio.get_running_loop().call_later(self._stop_timeout_s, self._kill_all)

    def _end_all(self) -> None:
        for worker in self._workers:
            worker.end()

    def _kill_all(self) -> None:
        for worker in self._workers:
            worker.kill()


def _worst(codes: Sequence[int]) -> int:
    """Give the exit code of the whole: the first that isn't OK. A worker that was killed counts as in a shell."""
    code = next((code for code in codes if code != Exit.OK), int(Exit.OK))
    return 128 - code if code < 0 else code


def run_workers(config: Config, command: Sequence[str], on_ready: Callable[[Sequence[Serving]], None]) -> int:
    """Run the workers that the configuration asks for; see Workers.run. `command` starts one, apart from its names."""
    limits = config.limits
    workers = [Worker(command, environment) for environment in worker_environments(config, os.environ)]
    stop_timeout_s = limits.drain_notice_s + limits.drain_timeout_s + _STOP_MARGIN_S
    return asyncio.run(Workers(workers, stop_timeout_s=stop_timeout_s).run(on_ready))


def worker_environments(config: Config, environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Give each worker's environment: its name, NODE-1 and so on, and a metrics port of its own if one is set."""
    node = config.server.node or socket.gethostname()
    inherited = {name: value for name, value in environment.items() if name not in _NOT_FOR_WORKERS}
    for number in range(config.server.workers):
        own = {"LIAISON_SERVER__NODE": f"{node}-{number + 1}"}
        if config.metrics.port:
            own["LIAISON_METRICS__PORT"] = str(config.metrics.port + number)
        yield {**inherited, **own}
