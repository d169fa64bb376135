"""What happened in a run, as one list of events; the checker looks at nothing else but this and the final log.

Events are plain maps, so that a history can be written as JSON lines and checked again later. `at` is monotonic time in
seconds. Kinds: send, ack, held, refused, unknown, recv, reset, duplicate_recv, presence, link_up, link_down, fault,
stuck.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]


@dataclass
class History:
    """Collects events in the order in which they happen."""

    events: list[Event] = field(default_factory=list)

    def note(self, at: float, kind: str, **facts: Any) -> None:
        """Add an event."""
        self.events.append({"at": round(at, 6), "kind": kind, **facts})

    def lines(self) -> str:
        """Give the history as JSON lines."""
        return "\n".join(json.dumps(event, ensure_ascii=False, sort_keys=True) for event in self.events)

    def digest(self) -> str:
        """Give a fingerprint: the same seed must give the same history, to the byte."""
        return hashlib.sha256(self.lines().encode()).hexdigest()
