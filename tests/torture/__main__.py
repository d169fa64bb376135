"""`python -m tests.torture`: tortures a whole site; the last line is one JSON object.

The exit code is 1 when a promise was broken. The long run of a release: `--seconds 2700 --messages-per-s 400`.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.torture.run import Plan, describe, figures, torture


def main() -> int:
    """Run what the command line asks for."""
    arguments = _arguments()
    plan = Plan(arguments.seconds, arguments.seed, arguments.messages_per_s)
    path = arguments.history or Path(tempfile.gettempdir()) / f"liaison-torture-{plan.seed}.jsonl"
    outcome = asyncio.run(torture(plan, path))
    path.with_suffix(".journal").write_text(outcome.journals)
    print(describe(outcome, path))
    print(f"check it again: python -m tests.torture.check {path}")
    print(json.dumps(figures(outcome)))
    return 1 if outcome.verdict.broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("--seconds", type=float, default=60, help="how long faults strike")
    parser.add_argument("--seed", type=int, default=1, help="which faults, and in which order")
    parser.add_argument("--messages-per-s", type=float, default=300, help="of all clients together")
    parser.add_argument("--history", type=Path, help="where the history is written")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
