"""What operators and supervisors read: /livez, /readyz, /metrics, and pages that were not built."""

import re
from dataclasses import replace

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from liaison.core.identifiers import DelegationId
from liaison.edges.metrics import METRICS, Metrics
from liaison.edges.settings import EdgeSettings
from tests.edges.conftest import Node

SOUTH, NORTH = DelegationId("south"), DelegationId("north")


async def test_a_node_is_ready_until_it_drains(node: Node, http: aiohttp.ClientSession) -> None:
    async with http.get("/readyz") as response:
        assert (response.status, await response.json()) == (200, {"ready": True, "reasons": []})
    await node.office.drain()
    async with http.get("/livez") as response:
        assert (response.status, await response.json()) == (200, {"live": True})


async def test_a_node_that_drains_says_so(node: Node, http: aiohttp.ClientSession) -> None:
    await node.office.drain()
    async with http.get("/readyz") as response:
        assert (response.status, await response.json()) == (503, {"ready": False, "reasons": ["draining"]})


async def test_pages_that_were_not_built_say_how_to_build_them(node: Node, http: aiohttp.ClientSession) -> None:
    async with http.get("/") as response:
        assert response.status == 503
        assert response.content_type == "text/html"
        assert "make client" in await response.text()


def families(metrics: Metrics) -> dict[str, str]:
    """Give the exposed families by the name that the table has for them."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): family.type
        for family in text_string_to_metric_families(metrics.exposition().decode())
        if family.name.startswith("liaison_")
    }


def test_every_metric_is_in_the_table_and_the_other_way_round() -> None:
    assert families(Metrics()) == {metric.name: metric.kind for metric in METRICS}


def test_what_the_office_tells_is_counted() -> None:
    metrics = Metrics()
    metrics.session_opened("official", "liaison.v1.json")
    metrics.session_opened("official", "liaison.v1.json")
    metrics.session_closed("official", "liaison.v1.json", "no pong")
    metrics.published(SOUTH, 3)
    metrics.acknowledged(SOUTH, 4.0)
    metrics.delivered(SOUTH, NORTH, messages=3, receivers=10, latency_ms=7.0)
    metrics.caught_up(5)
    metrics.hint_missed()
    metrics.refused("no_such_channel")
    metrics.slow_consumer()
    metrics.append_finished(3, 2.0, "committed")
    metrics.connect_refused()
    metrics.loop_was_late(250.0)
    metrics.watch("liaison_connections", lambda: 12)
    text = metrics.exposition().decode()
    for line in (
        'liaison_sessions{role="official",wire="liaison.v1.json"} 1.0',
        'liaison_sessions_closed_total{cause="no pong",role="official",wire="liaison.v1.json"} 1.0',
        'liaison_published_total{delegation="south"} 3.0',
        'liaison_ack_seconds_bucket{delegation="south",le="0.005"} 1.0',
        'liaison_deliveries_total{receiver="north",sender="south"} 30.0',
        'liaison_delivery_seconds_sum{receiver="north",sender="south"} 0.007',
        "liaison_caught_up_total 5.0",
        "liaison_hints_missed_total 1.0",
        'liaison_refusals_total{error="no_such_channel"} 1.0',
        "liaison_slow_consumers_total 1.0",
        'liaison_appends_total{result="committed"} 1.0',
        "liaison_appended_messages_total 3.0",
        "liaison_append_seconds_count 1.0",
        "liaison_connects_refused_total 1.0",
        "liaison_event_loop_lag_seconds 0.25",
        "liaison_connections 12.0",
    ):
        assert line in text.splitlines()


async def test_a_page_that_asks_whether_somebody_is_signed_in_is_refused_nothing(
    node: Node, http: aiohttp.ClientSession
) -> None:
    refused = 'liaison_refusals_total{error="unauthenticated"}'
    async with http.get("/api/v1/me") as response:
        assert response.status == 401
    assert refused not in node.metrics.exposition().decode()
    async with http.get("/api/v1/me", headers={"Cookie": "liaison_session=lsn_stolen"}) as response:
        assert response.status == 401
    assert f"{refused} 1.0" in node.metrics.exposition().decode()


async def test_a_node_that_drains_shows_it_and_its_ties_in_its_metrics(node: Node, http: aiohttp.ClientSession) -> None:
    node.office.retire()
    async with http.get("/metrics") as response:
        lines = (await response.text()).splitlines()
        assert response.headers["Connection"] == "close"
    for line in ("liaison_draining 1.0", "liaison_bus_up 1.0", "liaison_accounts_stale 0.0"):
        assert line in lines


async def test_metrics_hold_no_name_and_no_text(node: Node, http: aiohttp.ClientSession) -> None:
    body = {"text": "secret words", "key": "k1"}
    async with http.post("/api/v1/channels/joint/general/messages", json=body, headers=node.bearer("south-bot")):
        pass
    async with http.get("/metrics") as response:
        text = await response.text()
    assert 'liaison_published_total{delegation="south"} 1.0' in text
    assert re.search(r"south-bot|general|secret words", text) is None


class TestWithAToken:
    @pytest.fixture
    def settings(self, settings: EdgeSettings) -> EdgeSettings:
        return replace(settings, metrics_token="for-prometheus")

    async def test_only_who_brings_it_reads_the_metrics(self, node: Node, http: aiohttp.ClientSession) -> None:
        for header, status in (
            ("Bearer for-prometheus", 200),
            ("Bearer for-prometheu", 401),
            ("", 401),
            ("Bearer é", 401),
        ):
            async with http.get("/metrics", headers={"Authorization": header} if header else {}) as response:
                assert response.status == status

    async def test_it_is_not_in_the_settings_repr(self, settings: EdgeSettings) -> None:
        assert "for-prometheus" not in repr(settings)


class TestWithTls:
    @pytest.fixture
    def settings(self, settings: EdgeSettings) -> EdgeSettings:
        return replace(settings, uses_tls=True)

    async def test_cookies_are_host_bound_and_transport_security_is_strict(
        self, node: Node, http: aiohttp.ClientSession
    ) -> None:
        from tests.edges.conftest import PASSWORD

        async with http.post("/api/v1/login", json={"user": "south-1", "password": PASSWORD}) as response:
            [cookie] = response.headers.getall("Set-Cookie")
            assert response.headers["Strict-Transport-Security"].startswith("max-age=63072000")
        assert cookie.startswith("__Host-liaison_session=lsn_")
        assert "; Secure" in cookie
