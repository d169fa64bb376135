"""A load, and the generator that puts it on a server."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench import servers

# Below this the generator was too busy to be believed.
LEAST_IDLE: Final = 0.03

Figures = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """A load: how many of what, as a closed loop of `window` messages or at `rate` a second.

    With `every_ms` the loop sends a whole window at once, and the next one when all of it has come and so much time has
    passed. That leaves the generator some idle time beside a server that does next to nothing.
    """

    name: str
    title: str
    subscribers: int
    publishers: int
    channels: int = 1
    follows: int = 1
    window: int = 0
    rate: float = 0.0
    every_ms: float = 0.0

    @property
    def seats(self) -> servers.Seats:
        return servers.Seats(self.subscribers, self.publishers, self.channels, self.follows)

    def options(self) -> list[str]:
        pace = ["--rate", str(self.rate)] if self.rate else ["--window", str(self.window)]
        pace += ["--every-ms", str(self.every_ms)] if self.every_ms else []
        names = ("subscribers", "publishers", "channels", "follows")
        counts = {name: getattr(self, name) for name in names}
        return [text for name, value in counts.items() for text in (f"--{name}", str(value))] + pace


@contextmanager
def generator_built() -> Iterator[Path]:
    """Build the load generator with the system's C compiler, and stay off the servers' core from now on."""
    os.sched_setaffinity(0, {servers.GENERATOR_CORE})
    with tempfile.TemporaryDirectory(prefix="liaison-bench-") as folder:
        program = Path(folder) / "loadgen"
        subprocess.run(["cc", "-O2", "-o", program, servers.HERE / "loadgen.c"], check=True)
        yield program


def run(target: servers.Target, work: Work, generator: Path, seconds: float) -> Figures:
    """Put one load on a server and give what the generator reports. Raises RuntimeError when anything was lost."""
    command = [str(generator), "--port", target.port, "--pid", target.pid, "--seconds", str(seconds)]
    command += [*target.generator_options, *work.options()]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=seconds + 150)
    figures: Figures = json.loads(done.stdout)
    # NATS may cut a message between two WebSocket frames, and the generator then does not see it.
    tolerated = 0 if target.name == "liaison" else figures["deliveries_per_s"] * figures["seconds"] / 10_000
    if figures["missing"] > tolerated or figures["lost_connections"] or figures["refusals"]:
        raise RuntimeError(f"{target.name} under {work.name} lost something: {figures}")
    figures["void"] = figures["generator_idle"] < LEAST_IDLE
    return figures
