"""Draws the growth curves: bench/results/NAME.json to NAME.svg, with logarithmic axes. (`python -m bench.plots`)"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

WIDTH: Final = 640
HEIGHT: Final = 360
LEFT: Final = 70
RIGHT: Final = 20
TOP: Final = 40
BOTTOM: Final = 50
# Told apart also without colour, by their dashes.
STYLES: Final = (("#1d4ed8", ""), ("#b45309", "6 3"), ("#15803d", "2 3"), ("#9f1239", "8 3 2 3"), ("#475569", "1 4"))


@dataclass(frozen=True, slots=True)
class Plot:
    """What of a curve's rows is drawn: the column along, and the columns up with their names."""

    title: str
    along: str
    lines: Sequence[tuple[str, str]]


PLOTS: Final = {
    "subscribers": Plot(
        "CPU per delivery by readers of a channel (µs)",
        "subscribers",
        (("us_per_delivery", "all of it"),),
    ),
    "channels": Plot(
        "CPU per message by channels followed, 500 messages/s (µs)", "channels", (("us_per_delivery", "all of it"),)
    ),
    "connections": Plot(
        "By sessions with three channels each",
        "sessions",
        (("connect_cpu_us", "CPU to let one in (µs)"), ("kib_per_connection", "memory of one (KiB)")),
    ),
    "history": Plot(
        "CPU by messages on the log, SQLite (µs)",
        "messages",
        (
            ("append_us", "append, each of 100"),
            ("resume_50_us", "resume: the last 50"),
            ("oldest_50_us", "the oldest 50"),
            ("search_us", "search of two words"),
        ),
    ),
    "nodes": Plot(
        "CPU by nodes, 480 readers, 200 messages/s (µs)",
        "nodes",
        (
            ("us_per_delivery", "nodes, per delivery"),
            ("postgres_us_per_message", "PostgreSQL, per message"),
            ("redis_us_per_message", "Redis, per message"),
        ),
    ),
}


def draw_all(folder: Path) -> None:
    """Draw every curve that was measured."""
    for name, plot in PLOTS.items():
        data = folder / f"{name}.json"
        if data.exists():
            (folder / f"{name}.svg").write_text(drawing(plot, json.loads(data.read_text())))


def drawing(plot: Plot, rows: Sequence[dict[str, float]]) -> str:
    """Give the SVG; points at or below zero have no place on a logarithmic axis and are left out."""
    across = _Axis([row[plot.along] for row in rows], LEFT, WIDTH - RIGHT)
    up = _Axis([row[key] for row in rows for key, _ in plot.lines if row[key] > 0], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{escape(plot.title)}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 10}" text-anchor="end">{escape(plot.along)}</text>',
    ]
    for value, at in across.marks():
        parts.append(f'<line x1="{at:.0f}" x2="{at:.0f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#e2e8f0"/>')
        parts.append(f'<text x="{at:.0f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value:,g}</text>')
    for value, at in up.marks():
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.0f}" y2="{at:.0f}" stroke="#e2e8f0"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.0f}" text-anchor="end">{value:,g}</text>')
    for number, (key, label) in enumerate(plot.lines):
        colour, dashes = STYLES[number]
        style = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'
        points = [(across.at(row[plot.along]), up.at(row[key])) for row in rows if row[key] > 0]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" {style}/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        height = TOP + 14 + 16 * number
        left = WIDTH - 230
        parts.append(f'<line x1="{left}" x2="{left + 30}" y1="{height - 4}" y2="{height - 4}" {style}/>')
        parts.append(f'<text x="{left + 36}" y="{height}">{escape(label)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


class _Axis:
    """A logarithmic axis over the values, with a little room at both ends."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        self._low, self._high = math.log10(min(values)) - 0.1, math.log10(max(values)) + 0.1
        self._begin, self._end = begin, end

    def at(self, value: float) -> float:
        return self._begin + (math.log10(value) - self._low) / (self._high - self._low) * (self._end - self._begin)

    def marks(self) -> list[tuple[float, float]]:
        """Give round values, more of them within each decade the fewer decades there are."""
        steps = (1,) if self._high - self._low > 2 else (1, 2, 5)
        decades = range(math.floor(self._low), math.ceil(self._high) + 1)
        values = [step * 10.0**decade for decade in decades for step in steps]
        return [(value, self.at(value)) for value in values if self._low <= math.log10(value) <= self._high]


if __name__ == "__main__":
    draw_all(Path(__file__).parent / "results")
