"""Measures a storm: everybody comes back at once and resumes, while a hundred others go on. (`python -m bench.storm`)

The office has a channel with messages in it. A hundred readers follow it and hear two messages a second; then so many
clients as are asked for come at once, 64 of them at a time in the middle of their handshake, and each resumes from
fifty messages before the head. What counts is how long until each has all fifty, what that cost the server, and how
late messages came to the hundred meanwhile. Those who have come back hear the two messages as well: ten a second would
be a hundred thousand deliveries, which alone are most of a core.
"""

import argparse
import json
import subprocess
import time
from pathlib import Path

from bench import servers
from bench.loads import Figures, Work, generator_built, run

READERS = Work("readers", "", 100, 1, rate=2)
FILLING = Work("filling", "", 1, 1, rate=200)
MISSED = 50
LONGEST_S = 60


def storm(generator: Path, clients: int) -> Figures:
    """Put the storm on a fresh server and give what came of it."""
    returning = Work("storm", "", clients, 1, rate=1)
    # With accounts to spare, as a user may have ten sessions, and the hundred come on top.
    with servers.liaison(servers.Seats(clients * 6 // 5, 1)) as target:
        run(target, FILLING, generator, 2)
        calm = run(target, READERS, generator, 5)
        # Both warm up for a second, whose messages are on the log as well.
        head = int(FILLING.rate * 3 + READERS.rate * 6)
        others = _begin(target, READERS, generator, LONGEST_S)
        # They connect, and warm up for a second; only from then on their messages are timed.
        time.sleep(2)
        position = ("--resume-after", str(head - MISSED), "--missed", str(MISSED))
        came = _figures(_begin(target, returning, generator, 0.2, *position))
        others.terminate()
        heard = _figures(others)
    return {
        "clients": clients,
        "resumed_s": came["connect_s"],
        "cpu_us_per_client": came["connect_cpu_us"],
        "calm_p99_ms": calm["seen_p99_ms"],
        "others_p50_ms": heard["seen_p50_ms"],
        "others_p99_ms": heard["seen_p99_ms"],
    }


def _begin(
    target: servers.Target, work: Work, generator: Path, seconds: float, *more: str
) -> "subprocess.Popen[bytes]":
    command = [str(generator), "--port", target.port, "--pid", target.pid, "--seconds", str(seconds)]
    command += [*target.generator_options, *work.options(), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def _figures(process: "subprocess.Popen[bytes]") -> Figures:
    output, _ = process.communicate(timeout=LONGEST_S + 60)
    if process.returncode:
        raise RuntimeError(f"the generator ended with {process.returncode}")
    figures: Figures = json.loads(output)
    return figures


def main() -> None:
    """Measure the storm and print its figures as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clients", nargs="?", type=int, default=10_000, help="how many come back (default: 10000)")
    with generator_built() as generator:
        print(json.dumps(storm(generator, parser.parse_args().clients)))


if __name__ == "__main__":
    main()
