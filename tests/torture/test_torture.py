"""A whole site under real faults, in short: a storm of a minute, where `make torture` has one of three.

What is measured in milliseconds is in test_figures.py.
"""

from pathlib import Path
from typing import Final

import pytest

from tests.torture.faults import AT_NODES, AT_STORES
from tests.torture.history_file import HistoryFile
from tests.torture.run import Plan, describe, figures, torture
from tests.torture.scenarios import hold, rolling_restart, short_outages
from tests.torture.site import Site

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

# Every kind of fault once or more often: the lane at the stores has the most of them, and takes some four seconds each.
STORM_S: Final = 60.0


async def test_a_storm_of_all_faults_breaks_no_promise(whole_site: Site, tmp_path: Path) -> None:
    plan = Plan(seconds=STORM_S, seed=20180914, messages_per_s=200)
    outcome = await torture(plan, whole_site, tmp_path / "history.jsonl")
    print("\n" + describe(outcome, tmp_path / "history.jsonl"))
    print(figures(outcome))
    assert outcome.verdict.broken == []
    assert outcome.verdict.acked + outcome.verdict.held == outcome.head
    assert outcome.verdict.acked >= 10_000
    assert outcome.verdict.taken_back > 0, "the restore took nothing away"
    # Chance may leave the last of a slow machine's run out.
    assert len(outcome.verdict.faults) >= 0.75 * len({*AT_NODES, *AT_STORES})
    assert outcome.verdict.in_flight >= 0.75 * outcome.verdict.faults.total()


async def test_short_outages_show_nobody_offline(whole_site: Site, history: HistoryFile) -> None:
    hold(await short_outages(whole_site, history, 100))


async def test_a_rolling_restart_loses_nothing_and_is_short(whole_site: Site, tmp_path: Path) -> None:
    hold(await rolling_restart(whole_site, tmp_path / "rolling.jsonl", 150))
