"""Holds a recorded run against what is promised: `python -m tests.torture.check FILE`.

C1 to C6, H1 to H4, L1 and P1 as in tests/simulation/checker.py; P2 and P3 with the bounds of real time. A restored
backup takes away what came after it, and begins an epoch: each reader's view is held against the log of the epoch that
it was in, and what was acknowledged must be there in the end, since everybody who sent it still runs. The last line
is one JSON object; the exit code is 1 when a promise was broken.
"""

import json
import sys
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.simulation.checker import SHORTEST_GRACE_S, FinalState, LogRow, Restore, violations
from tests.simulation.history import Event
from tests.torture.history_file import RecordedHistory

INVARIANTS: Final = {
    "C1": "acknowledged and in the log",
    "C2": "stored once, where the acknowledgement said",
    "C3": "log without a gap",
    "C4": "every reader saw one run of the log",
    "C5": "order of sending kept",
    "C6": "nothing received that isn't in the log",
    "H1": "held and in the log",
    "H2": "released once",
    "H3": "order of sending kept by what was held",
    "H4": "nothing in a channel while it was suspended",
    "L1": "level and done after healing",
    "P1": "presence is the truth after healing",
    "P2": "nobody shown offline who was away for less than the grace",
    "P3": "presence without a gap",
    "E1": "everybody noticed the epoch of a restore, and none else",
    "N1": "no process ended by itself",
}
# From a reply to `connect` until every other node shows it, on a machine under load.
PRESENCE_LATENCY_S: Final = 1.5
# What presence takes to be true again after a node, or its way to Redis, comes back (six seconds), and that to show.
HEALING_S: Final = 6.0 + PRESENCE_LATENCY_S
# These keep one node from the others: its people go for them, and what it shows is old.
BLINDING: Final = frozenset({"node stopped", "node cut from Redis", "node partitioned", "clients half-open"})


@dataclass
class Verdict:
    """What came of it."""

    broken: Sequence[str]
    acked: int
    faults: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    held: int = 0
    # Acknowledgements whose places a restore took away: the operator's doing, and made good by those who had sent them.
    taken_back: int = 0

    def summary(self) -> dict[str, int]:
        """Give the counts by which a run is judged."""
        names = Counter(_kind(one) for one in self.broken)
        return {
            "acked": self.acked,
            "held": self.held,
            "faults": self.faults.total(),
            "kinds": len(self.faults),
            "in_flight": self.in_flight,
            "taken_back": self.taken_back,
            **{kind: names[kind] for kind in ("lost", "doubled", "reordered", "invented")},
            "violations": len(self.broken),
        }


_KINDS: Final = {
    **dict.fromkeys(("C1", "H1"), "lost"),
    **dict.fromkeys(("C2", "H2"), "doubled"),
    **dict.fromkeys(("C3", "C5", "H3", "H4"), "reordered"),
    "C6": "invented",
}


def _kind(broken: str) -> str:
    name = broken[:2]
    if name != "C4":
        return _KINDS.get(name, name)
    if broken.endswith("twice"):
        return "doubled"
    return "invented" if "another text" in broken else "reordered"


def check(events: Iterable[Event]) -> Verdict:
    """Check a whole history, which is gone through several times."""
    kinds: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    in_flight = 0
    final = _final(events)
    taken_back = 0
    for event in events:
        # What was offered again after a restore had been counted.
        kinds[event["kind"]] += not event.get("again", False)
        if event["kind"] == "fault":
            faults[event["fault"]] += 1
            in_flight += event["in_flight"] > 0
        elif event["kind"] == "ack":
            taken_back += not final.stands(event.get("epoch", 0), event["channel"], event["seq"])
    broken = [
        *violations(events, final),
        *_impossible(events),
        *_check_epochs(events, final),
        *_shown_offline(events),
    ]
    if not final.cursors:
        broken.append("L1 the run did not come to its end")
    return Verdict(broken, kinds["ack"], faults, in_flight, kinds["held"], taken_back)


def _final(events: Iterable[Event]) -> FinalState:
    rows: list[LogRow] = []
    restores: list[Restore] = []
    lost: dict[tuple[str, int], LogRow] = {}
    final = FinalState(rows)
    for event in events:
        match event["kind"]:
            case "row":
                rows.append(_row(event))
            case "restored":
                lost = {}
                restores.append(Restore(event["epoch"], event["kept"], lost))
            case "lost_row":
                lost[event["channel"], event["seq"]] = _row(event)
            case "final":
                final = FinalState(
                    rows,
                    event["cursors"],
                    event["outboxes"],
                    frozenset(event["online"]),
                    {viewer: frozenset(shown) for viewer, shown in event["shown_online"].items()},
                    event.get("held", {}),
                    restores,
                )
            case _:
                pass
    return final


def _row(event: Event) -> LogRow:
    return LogRow(event["channel"], event["seq"], event["sender"], event["key"], event["text"])


def _impossible(events: Iterable[Event]) -> Iterable[str]:
    for event in events:
        match event["kind"]:
            case "died":
                yield f"N1 {event['node']} had ended by itself"
            case "complaint":
                yield f"L1 {event['text']}"
            case _:
                pass


def _check_epochs(events: Iterable[Event], final: FinalState) -> Iterable[str]:
    epochs = {restore.epoch for restore in final.restores}
    newest: dict[tuple[str, str], int] = {}
    for event in events:
        if event["kind"] == "reset":
            newest[event["client"], event["channel"]] = event["epoch"]
            # Where no backup was restored, every position stays good.
            if event["epoch"] not in epochs:
                yield f"E1 {event['client']} was told to forget {event['channel']}"
    for client, cursors in final.cursors.items():
        for channel in cursors:
            if epochs and newest.get((client, channel)) != max(epochs):
                yield f"E1 {client} never noticed that {channel} was restored"


@dataclass
class _Life:
    """When somebody was connected: beginnings, ends (what was heard last) and nodes, in order of time."""

    begins: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)

    def outage_s(self, at: float) -> float:
        """Give how long the last outage before `at` has lasted by then; 0 when there was none lately."""
        index = bisect_right(self.begins, at) - 1
        if index < 0:
            return float("inf")
        end = self.ends[index] if index < len(self.ends) else float("inf")
        if end < at:
            return at - end
        if at - self.begins[index] <= PRESENCE_LATENCY_S and index > 0:
            return self.begins[index] - self.ends[index - 1]
        return float("inf") if index == 0 and at - self.begins[0] <= PRESENCE_LATENCY_S else 0.0

    def nodes_by(self, at: float) -> set[str]:
        """Give the nodes of the last two connections before `at`."""
        index = bisect_right(self.begins, at)
        return set(self.nodes[max(0, index - 2) : index])


@dataclass
class _Troubles:
    """Which faults were there when, healing included: kind, node ("" is all of them), from, until."""

    spans: list[tuple[str, str, float, float]] = field(default_factory=list)

    @classmethod
    def of(cls, events: Iterable[Event]) -> "_Troubles":
        troubles = cls()
        began: dict[tuple[str, str], float] = {}
        for event in events:
            if event["kind"] == "fault":
                began[event["fault"], event["node"]] = event["at"]
            elif event["kind"] == "fault_over":
                start = began[event["fault"], event["node"]]
                troubles.spans.append((event["fault"], event["node"], start, event["at"] + HEALING_S))
        return troubles

    def excuse(self, at: float, nodes: set[str], shown_by: str) -> bool:
        """Whether somebody at `nodes` may look offline for a while to somebody at `shown_by`."""
        now = [(fault, node) for fault, node, start, end in self.spans if start <= at <= end]
        return any(fault in BLINDING and node in nodes | {shown_by} for fault, node in now)


def _shown_offline(events: Iterable[Event]) -> Iterable[str]:
    troubles = _Troubles.of(events)
    lives: dict[str, _Life] = defaultdict(_Life)
    seen: list[dict[str, Any]] = []
    for event in events:
        match event["kind"]:
            case "link_up":
                lives[event["client"]].begins.append(event["at"])
                lives[event["client"]].nodes.append(event["node"])
            case "link_down":
                lives[event["client"]].ends.append(event["heard_at"])
            case "shown_offline":
                seen.append(event)
            case _:
                pass
    for event in seen:
        at = event["at"]
        for user in event["users"]:
            life = lives.get(user)
            if life is None or troubles.excuse(at, life.nodes_by(at), event["node"]):
                continue
            outage_s = life.outage_s(at)
            if outage_s < SHORTEST_GRACE_S:
                yield f"P2 {user} was shown offline to {event['client']} at {at:.1f}, away for {outage_s:.1f} s"


def report(verdict: Verdict, events: Iterable[Event]) -> str:
    """Give faults by kind, and every invariant with its count."""
    hit: Counter[str] = Counter()
    for event in events:
        if event["kind"] == "fault" and event["in_flight"]:
            hit[event["fault"]] += 1
    lines = ["faults, and how many of them struck a publish in flight:"]
    lines += [f"  {name:28} {count:5} {hit[name]:5}" for name, count in sorted(verdict.faults.items())]
    names = Counter(one[:2] for one in verdict.broken)
    lines.append("promises, and how often each was broken:")
    lines += [f"  {name} {what:60} {names[name]:5}" for name, what in INVARIANTS.items()]
    lines += [f"  broken: {one}" for one in verdict.broken[:20]]
    return "\n".join(lines)


def main() -> int:
    """Check the file named on the command line."""
    if len(sys.argv) != 2:
        print("usage: python -m tests.torture.check FILE", file=sys.stderr)
        return 2
    events = RecordedHistory(Path(sys.argv[1]))
    verdict = check(events)
    print(report(verdict, events))
    print(json.dumps(verdict.summary()))
    return 1 if verdict.broken else 0


if __name__ == "__main__":
    sys.exit(main())
