"""A whole site under real faults, in short: `make torture` is the long form."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.torture.faults import AT_NODES, AT_STORES
from tests.torture.history_file import HistoryFile
from tests.torture.run import Plan, describe, figures, torture
from tests.torture.scenarios import (
    Figure,
    across_nodes,
    last_hint_lost,
    node_killed,
    redis_killed,
    rolling_restart,
    short_outages,
)
from tests.torture.site import Site, site

pytestmark = [pytest.mark.system, pytest.mark.alone, pytest.mark.timeout(300)]

# Every kind of fault once or more often: the lane at the stores has the most of them, and takes some four seconds each.
STORM_S: Final = 60.0


async def test_a_storm_of_all_faults_breaks_no_promise(tmp_path: Path) -> None:
    outcome = await torture(Plan(seconds=STORM_S, seed=20180914, messages_per_s=250), tmp_path / "history.jsonl")
    print("\n" + describe(outcome, tmp_path / "history.jsonl"))
    print(figures(outcome))
    assert outcome.verdict.broken == []
    assert outcome.verdict.acked == outcome.head
    assert outcome.verdict.acked >= 10_000
    # Chance may leave the last of a slow machine's run out.
    assert len(outcome.verdict.faults) >= 0.75 * len({*AT_NODES, *AT_STORES})
    assert outcome.verdict.in_flight >= 0.75 * outcome.verdict.faults.total()


@pytest.fixture(scope="module")
def whole_site() -> Iterator[Site]:
    with site() as running:
        yield running


@pytest.fixture
def history(tmp_path: Path) -> Iterator[HistoryFile]:
    with HistoryFile(tmp_path / "history.jsonl") as file:
        yield file


def hold(figures: list[Figure]) -> None:
    print()
    for figure in figures:
        print(f"  {figure}")
    assert all(figure.is_kept for figure in figures)


async def test_messages_cross_between_nodes_quickly(whole_site: Site, history: HistoryFile) -> None:
    # 50 ms are promised at 1,000 messages/s; that is for `make torture` on a machine that does nothing else.
    hold(await across_nodes(whole_site, history, 300, 250))


async def test_delivery_goes_on_without_redis_and_is_fast_again_after(whole_site: Site, history: HistoryFile) -> None:
    hold(await redis_killed(whole_site, history))


async def test_a_last_hint_that_was_lost_is_made_up_for(whole_site: Site, history: HistoryFile) -> None:
    hold(await last_hint_lost(whole_site, history))


async def test_those_of_a_killed_node_are_offline_with_the_cause(whole_site: Site, history: HistoryFile) -> None:
    hold(await node_killed(whole_site, history))


async def test_short_outages_show_nobody_offline(whole_site: Site, history: HistoryFile) -> None:
    hold(await short_outages(whole_site, history, 100))


async def test_a_rolling_restart_loses_nothing_and_is_short(whole_site: Site, tmp_path: Path) -> None:
    hold(await rolling_restart(whole_site, tmp_path / "rolling.jsonl", 300))
