"""How long it takes until people are served again, when one thing fails and all else is well."""

import pytest

from tests.torture.history_file import HistoryFile
from tests.torture.scenarios import across_nodes, hold, last_hint_lost, node_killed, redis_killed
from tests.torture.site import Site

pytestmark = [pytest.mark.system, pytest.mark.alone, pytest.mark.timeout(300)]


async def test_messages_cross_between_nodes_quickly(whole_site: Site, history: HistoryFile) -> None:
    # 50 ms are promised at 1,000 messages/s; that is for `make torture` on a machine that does nothing else.
    hold(await across_nodes(whole_site, history, 300, 250))


async def test_delivery_goes_on_without_redis_and_is_fast_again_after(whole_site: Site, history: HistoryFile) -> None:
    hold(await redis_killed(whole_site, history))


async def test_a_last_hint_that_was_lost_is_made_up_for(whole_site: Site, history: HistoryFile) -> None:
    hold(await last_hint_lost(whole_site, history))


async def test_those_of_a_killed_node_are_offline_with_the_cause(whole_site: Site, history: HistoryFile) -> None:
    hold(await node_killed(whole_site, history))
