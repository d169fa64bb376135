"""Several workers as one server: how they start, are kept, renewed one by one, and end together.

Here a worker is a small program that does what the supervisor sees of a real one, and misbehaves when a file says so;
tests/system/test_several_workers.py has the real ones.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from liaison.cli.exits import Exit
from liaison.cli.workers import worker_environments
from liaison.config import Config, ConfigError, load_config

ROOT = Path(__file__).resolve().parents[2]

SUPERVISOR = """
import json, os, pathlib, sys
import asyncio
from liaison.cli.workers import Worker, Workers

folder = pathlib.Path(sys.argv[1])
command = [sys.executable, str(folder / "worker.py"), str(folder)]
workers = [Worker(command, {**os.environ, "LIAISON_SERVER__NODE": f"n-{number}"}) for number in (1, 2, 3)]

def on_ready(serving):
    print(json.dumps([worker.pid for worker in serving]), flush=True)

sys.exit(asyncio.run(Workers(workers, stop_timeout_s=float(sys.argv[2])).run(on_ready)))
"""

WORKER = """
import json, os, pathlib, signal, sys

name, folder = os.environ["LIAISON_SERVER__NODE"], pathlib.Path(sys.argv[1])

def note(event):
    with (folder / "journal").open("a") as journal:
        journal.write(f"{name} {event}\\n")

def end(number, frame):
    if (folder / f"deaf-{name}").exists():
        note("is deaf")
        return
    note("ends")
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
if (folder / f"refuses-{name}").exists():
    note("refuses")
    sys.exit(69)
note("serves")
print(json.dumps({"address": "http://127.0.0.1:1", "node": name, "pid": os.getpid()}), flush=True)
while sys.stdin.buffer.read(1):
    pass
note("is orphaned")
"""


class Scene:
    """A supervisor of the workers n-1, n-2 and n-3 in a process of its own, and what they did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pids: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "worker.py").write_text(WORKER)

    @property
    def journal(self) -> list[str]:
        file = self.folder / "journal"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process

    def start(self, stop_timeout_s: float = 20) -> None:
        """Start, and return when all serve or the supervisor has ended."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, str(self.folder), str(stop_timeout_s)],
            env={**os.environ, "PYTHONPATH": str(ROOT / "server")},
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self.pids = json.loads(self._process.stdout.readline() or "[]")

    def let(self, what: str) -> None:
        (self.folder / what).touch()

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def until(self, claim: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + 20
        while not claim():
            assert time.monotonic() < deadline_s, self.journal
            time.sleep(0.01)

    def close(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                # Its workers' pipes break, and they end by themselves.
                self._process.kill()
            self._process.wait(20)
            assert self._process.stdout is not None
            self._process.stdout.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.close()


@pytest.mark.system
class TestLife:
    def test_the_first_serves_before_the_others_start_and_all_end_together(self, scene: Scene) -> None:
        scene.start()
        assert scene.journal[0] == "n-1 serves"
        assert sorted(scene.journal[1:]) == ["n-2 serves", "n-3 serves"]
        assert scene.end() == Exit.OK
        assert sorted(scene.journal[3:]) == ["n-1 ends", "n-2 ends", "n-3 ends"]

    def test_when_one_can_not_start_the_others_end_and_its_exit_code_is_given(self, scene: Scene) -> None:
        scene.let("refuses-n-2")
        scene.start()
        assert scene.process.wait(20) == Exit.UNAVAILABLE
        assert scene.journal[0] == "n-1 serves"
        assert sorted(scene.journal[1:]) == ["n-1 ends", "n-2 refuses", "n-3 ends", "n-3 serves"]

    def test_when_the_first_can_not_start_no_other_tries(self, scene: Scene) -> None:
        scene.let("refuses-n-1")
        scene.start()
        assert scene.process.wait(20) == Exit.UNAVAILABLE
        assert scene.journal == ["n-1 refuses"]

    def test_one_that_dies_is_followed_by_another_and_the_others_notice_nothing(self, scene: Scene) -> None:
        scene.start()
        os.kill(scene.pids[1], signal.SIGKILL)
        scene.until(lambda: len(scene.journal) == 4)
        assert scene.journal[3] == "n-2 serves"
        assert scene.end() == Exit.OK
        assert len(scene.journal) == 7

    def test_one_that_can_not_start_again_is_tried_again_after_pauses_that_grow(self, scene: Scene) -> None:
        scene.start()
        scene.let("refuses-n-2")
        began_s = time.monotonic()
        os.kill(scene.pids[1], signal.SIGKILL)
        scene.until(lambda: scene.journal.count("n-2 refuses") == 2)
        (scene.folder / "refuses-n-2").unlink()
        scene.until(lambda: scene.journal[-1] == "n-2 serves")
        # 0.5 s, 1 s and 2 s.
        assert time.monotonic() - began_s >= 3.5
        assert scene.end() == Exit.OK

    def test_sighup_renews_them_one_by_one(self, scene: Scene) -> None:
        scene.start()
        scene.process.send_signal(signal.SIGHUP)
        scene.until(lambda: len(scene.journal) == 9)
        expected = [f"n-{number} {event}" for number in (1, 2, 3) for event in ("ends", "serves")]
        assert scene.journal[3:] == expected
        assert scene.end() == Exit.OK

    def test_a_round_of_renewals_stops_at_one_that_does_not_come_back(self, scene: Scene) -> None:
        scene.start()
        scene.let("refuses-n-1")
        scene.process.send_signal(signal.SIGHUP)
        scene.until(lambda: scene.journal.count("n-1 refuses") == 2)
        assert set(scene.journal[3:]) == {"n-1 ends", "n-1 refuses"}
        (scene.folder / "refuses-n-1").unlink()
        scene.until(lambda: scene.journal[-1] == "n-3 serves")
        assert scene.end() == Exit.OK

    def test_one_that_does_not_end_in_time_is_killed(self, scene: Scene) -> None:
        scene.let("deaf-n-3")
        scene.start(stop_timeout_s=0.5)
        assert scene.end() == 128 + signal.SIGKILL
        assert sorted(scene.journal[3:]) == ["n-1 ends", "n-2 ends", "n-3 is deaf"]

    def test_a_second_signal_ends_all_at_once(self, scene: Scene) -> None:
        scene.let("deaf-n-3")
        scene.start()
        scene.process.send_signal(signal.SIGTERM)
        scene.until(lambda: "n-3 is deaf" in scene.journal)
        began_s = time.monotonic()
        assert scene.end() == 128 + signal.SIGKILL
        assert time.monotonic() - began_s < 5

    def test_none_outlives_a_supervisor_that_is_killed(self, scene: Scene) -> None:
        scene.start()
        scene.process.kill()
        scene.until(lambda: sum(line.endswith("is orphaned") for line in scene.journal) == 3)


SHARED = {"LIAISON_REDIS__URL": "redis://127.0.0.1", "LIAISON_POSTGRES__URL": "postgresql://liaison@127.0.0.1/liaison"}


def _config(**settings: str) -> Config:
    environment = {f"LIAISON_{name}": value for name, value in settings.items()}
    return load_config(None, {**SHARED, **environment})


class TestEnvironments:
    def test_each_has_a_name_after_the_nodes_and_a_metrics_port_of_its_own(self) -> None:
        config = _config(SERVER__WORKERS="2", SERVER__NODE="seoul", METRICS__PORT="9100")
        first, second = worker_environments(config, {"PATH": "/bin"})
        assert first == {"PATH": "/bin", "LIAISON_SERVER__NODE": "seoul-1", "LIAISON_METRICS__PORT": "9100"}
        assert second == {"PATH": "/bin", "LIAISON_SERVER__NODE": "seoul-2", "LIAISON_METRICS__PORT": "9101"}

    def test_what_the_supervisor_above_wants_to_be_told_is_not_for_them(self) -> None:
        above = {"NOTIFY_SOCKET": "/run/notify", "LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"}
        [only] = worker_environments(_config(SERVER__NODE="n"), above)
        assert only == {"LIAISON_SERVER__NODE": "n-1"}


class TestRefusals:
    def test_an_office_of_its_own_data_directory_has_one_worker_and_is_told_what_more_would_need(
        self, tmp_path: Path
    ) -> None:
        finished = subprocess.run(
            [sys.executable, "-m", "liaison", "serve", "--workers", "2", "--data", str(tmp_path / "data")],
            env={**os.environ, "PYTHONPATH": str(ROOT / "server")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == Exit.CONFIG
        problem = "several workers share a Redis and a PostgreSQL: set redis.url and postgres.url, or use one worker"
        assert finished.stderr == f"liaison: --workers: {problem}\n"
        assert not (tmp_path / "data").exists()

    def test_metrics_ports_beyond_the_last_are_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"METRICS__PORT: each of 4 workers takes a port"):
            _config(SERVER__WORKERS="4", METRICS__PORT="65533")
