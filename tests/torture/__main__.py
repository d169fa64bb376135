"""`python -m tests.torture`: tortures a whole site, and measures single troubles; the last line is one JSON object.

The exit code is 1 when a promise was broken or a bound not kept. The long run of a release:
`--seconds 2700 --messages-per-s 400`.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.torture.run import Plan, describe, figures, torture
from tests.torture.scenarios import Figure, across_nodes_at_pace, all_scenarios
from tests.torture.site import site


def main() -> int:
    """Run what the command line asks for."""
    arguments = _arguments()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="liaison-torture-run-"))
    folder.mkdir(parents=True, exist_ok=True)
    measured = [] if arguments.no_scenarios else _measure(folder)
    are_kept = all(figure.is_kept for figure in measured)
    if arguments.no_storm:
        print(json.dumps({figure.name: figure.value for figure in measured}))
        return 0 if are_kept else 1
    plan = Plan(arguments.seconds, arguments.seed, arguments.messages_per_s)
    path = folder / f"seed-{plan.seed}.jsonl"
    # A site of its own: its journals are of this run alone.
    with site() as whole_site:
        outcome = asyncio.run(torture(plan, whole_site, path))
    path.with_suffix(".journal").write_text(outcome.journals)
    print(describe(outcome, path))
    print(f"check it again: python -m tests.torture.check {path}")
    print(json.dumps(figures(outcome)))
    return 0 if are_kept and not outcome.verdict.broken else 1


def _measure(folder: Path) -> list[Figure]:
    with site(fsync=True, is_straight=True) as whole_site:
        measured = asyncio.run(across_nodes_at_pace(whole_site, folder))
    with site() as whole_site:
        measured += asyncio.run(all_scenarios(whole_site, folder))
    print("measured, and the most that it may be:")
    for figure in measured:
        print(f"  {figure}", flush=True)
    return measured


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("--seconds", type=float, default=60, help="how long faults strike")
    parser.add_argument("--seed", type=int, default=1, help="which faults, and in which order")
    parser.add_argument("--messages-per-s", type=float, default=400, help="of all clients together")
    parser.add_argument("--no-scenarios", action="store_true", help="leave out the measured single troubles")
    parser.add_argument("--no-storm", action="store_true", help="measure single troubles alone")
    parser.add_argument("--folder", type=Path, help="where histories and journals are written")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
