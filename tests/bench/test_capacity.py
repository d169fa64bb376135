"""The capacity model: what it is fitted to, and that SCALING.md tells its numbers."""

import json
from pathlib import Path

import pytest

from bench import capacity
from bench.servers import HERE

COSTS = capacity.fitted()


@pytest.mark.parametrize(
    "cell",
    [
        f"committed alone | {COSTS.message_alone:.0f} |",
        f"in a burst of 100 | {COSTS.message_in_burst:.0f} |",
        f"whatever is in it | {COSTS.write:.1f} |",
        f"reader of a burst of 100 | {COSTS.reader_of_burst:.0f} |",
        f"a second of rest | {COSTS.session_per_s:.1f} |",
        f"hears of it | {COSTS.redis_message:.0f} + {COSTS.redis_per_node:.0f} |",
    ],
)
def test_the_document_tells_what_the_model_says(cell: str) -> None:
    assert cell in (HERE / "SCALING.md").read_text()


def test_costs_that_made_the_curves_are_found_in_them(tmp_path: Path) -> None:
    curves = {
        "subscribers": [
            {"subscribers": n, "us_per_delivery": (100 * 90 + n * 20) / (100 * n)} for n in (100, 1_000, 10_000)
        ],
        "connections": [{"sessions": n, "cpu_share": n * (5 + 8) / 1e6, "connect_cpu_us": 900} for n in (10, 10_000)],
        "channels": [{"us_per_delivery": 700}],
        "nodes": [
            {
                "nodes": n,
                "us_per_delivery": 8 + 700 / 480,
                "postgres_us_per_message": 800,
                "redis_us_per_message": 40 + 10 * n,
            }
            for n in (1, 2)
        ],
    }
    for name, rows in curves.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    found = capacity.fitted(tmp_path)
    assert found.message_in_burst == pytest.approx(90)
    assert found.reader_of_burst == pytest.approx(20)
    assert [found.write, found.session_per_s] == pytest.approx([8, 5])
    assert [found.redis_message, found.redis_per_node] == pytest.approx([40, 10])


def test_nodes_are_bounded_by_descriptors_and_by_half_a_core() -> None:
    assert capacity.nodes_for(COSTS, sessions=40_000, messages_per_s=0, readers_per_message=0) == 3
    busy = capacity.nodes_for(COSTS, sessions=40_000, messages_per_s=10, readers_per_message=40_000)
    assert busy > 3
    share = capacity.share_of_a_core(COSTS, sessions=40_000 / busy, messages_per_s=10, readers=40_000 / busy)
    assert share <= capacity.BUSY
