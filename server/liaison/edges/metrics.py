"""What Prometheus is told: ports.observer.Observer in numbers, never a name of a person or channel, never text.

`METRICS` is the whole list; the documentation repeats it, and a test holds the two together.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.process_collector import ProcessCollector

from liaison.core.identifiers import DelegationId
from liaison.protocol.errors import ErrorCode, Refused


@dataclass(frozen=True, slots=True)
class Metric:
    """One family. Its name in the exposition ends in `_total` for counters and has its unit in it otherwise."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


METRICS: Final = (
    Metric("liaison_sessions", "gauge", ("role", "wire"), "Sessions that are signed in now."),
    Metric("liaison_sessions_closed_total", "counter", ("role", "wire", "cause"), "Sessions that ended, by cause."),
    Metric("liaison_published_total", "counter", ("delegation",), "Messages committed, by the sender's side."),
    Metric("liaison_deliveries_total", "counter", ("sender", "receiver"), "Messages handed to sockets, by direction."),
    Metric("liaison_ack_seconds", "histogram", ("delegation",), "From a publish's arrival to its acknowledgement."),
    Metric(
        "liaison_delivery_seconds",
        "histogram",
        ("sender", "receiver"),
        "From the beginning of a commit to the sockets, by direction: the two directions should not differ.",
    ),
    Metric("liaison_appends_total", "counter", ("result",), "Transactions on the log: committed, refused, unknown."),
    Metric("liaison_append_seconds", "histogram", (), "How long a transaction on the log takes."),
    Metric("liaison_appended_messages_total", "counter", (), "Messages in all transactions on the log."),
    Metric("liaison_caught_up_total", "counter", (), "Messages read from the log for subscriptions that were behind."),
    Metric("liaison_hints_missed_total", "counter", (), "Gaps that were found and filled from the log."),
    Metric(
        "liaison_bus_hints_total",
        "counter",
        ("fate",),
        "Hints of this node that were published or dropped, of others that were received, and garbage on the bus.",
    ),
    Metric("liaison_slow_consumers_total", "counter", (), "Times a subscription fell behind its socket."),
    Metric("liaison_line_checks_total", "counter", ("outcome",), "Line checks that ended, by what they came to."),
    Metric(
        "liaison_desk_unstaffed", "gauge", ("delegation",), "1 while the alarm of a side's empty desk stands; else 0."
    ),
    Metric(
        "liaison_attachments_total",
        "counter",
        ("delegation", "direction"),
        "Attachments uploaded (in), fetched (out).",
    ),
    Metric(
        "liaison_attachment_bytes_total", "counter", ("delegation", "direction"), "Their bytes, by side and direction."
    ),
    Metric("liaison_refusals_total", "counter", ("error",), "Commands and requests refused, by the error's name."),
    Metric("liaison_connections", "gauge", (), "Open sockets and event streams, signed in or not."),
    Metric("liaison_connects_refused_total", "counter", (), "Connects dropped at the door for coming too fast."),
    Metric("liaison_event_loop_lag_seconds", "gauge", (), "How late the event loop last was."),
    Metric("liaison_bus_up", "gauge", (), "1 while this node hears the others, or is the only one; else 0."),
    Metric(
        "liaison_accounts_stale", "gauge", (), "1 while accounts and rights can't be read from the database; else 0."
    ),
    Metric("liaison_draining", "gauge", (), "1 while this node lets its clients go; else 0."),
)

# The library would add a second family to each, with the moment of its birth.
disable_created_metrics()  # type: ignore[no-untyped-call]  # The library left it untyped.

# Half a millisecond is what one fsync takes at best; the targets are 25 ms for an ack and 50 ms between nodes.
_LATENCY_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Counts for one node, in a registry of its own. Implements ports.observer.Observer.

    Label values come from small closed sets: roles, wire formats, delegations, causes, error names.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._gauges = {
            metric.name: Gauge(metric.name, metric.help, metric.labels, registry=self._registry)
            for metric in METRICS
            if metric.kind == "gauge"
        }
        self._counters = {
            metric.name: Counter(metric.name, metric.help, metric.labels, registry=self._registry)
            for metric in METRICS
            if metric.kind == "counter"
        }
        self._histograms = {
            metric.name: Histogram(
                metric.name, metric.help, metric.labels, buckets=_LATENCY_BUCKETS_S, registry=self._registry
            )
            for metric in METRICS
            if metric.kind == "histogram"
        }
        # Counts that are kept elsewhere: the counter, who tells them by label, and what was told last.
        self._told: list[tuple[Counter, Callable[[], Mapping[str, int]], dict[str, int]]] = []
        # labels() of the library takes a lock and builds a key, each time; the hot path looks its children up here.
        self._delivery_counters: dict[tuple[str, str], Counter] = {}
        self._delivery_histograms: dict[tuple[str, str], Histogram] = {}
        self._ack_histograms: dict[str, Histogram] = {}

    def watch(self, name: str, read: Callable[[], float]) -> None:
        """Ask `read` for a gauge without labels whenever somebody reads the metrics."""
        self._gauges[name].set_function(read)

    def watch_counts(self, name: str, read: Callable[[], Mapping[str, int]]) -> None:
        """Ask `read` for the counts of a counter with one label, by its value, whenever somebody reads the metrics."""
        self._told.append((self._counters[name], read, {}))

    def exposition(self) -> bytes:
        """Give everything in Prometheus' text form."""
        for counter, read, last in self._told:
            for label, count in read().items():
                counter.labels(label).inc(count - last.get(label, 0))
                last[label] = count
        return generate_latest(self._registry)

    # --- the observer ---------------------------------------------------------------------------------------------

    def session_opened(self, role: str, wire: str) -> None:
        """A session was let in."""
        self._gauges["liaison_sessions"].labels(role, wire).inc()

    def session_closed(self, role: str, wire: str, cause: str) -> None:
        """A session that had been let in is over."""
        self._gauges["liaison_sessions"].labels(role, wire).dec()
        self._counters["liaison_sessions_closed_total"].labels(role, wire, cause).inc()

    def published(self, delegation: DelegationId, messages: int) -> None:
        """See ports.observer."""
        self._counters["liaison_published_total"].labels(delegation).inc(messages)

    def acknowledged(self, delegation: DelegationId, latency_ms: float) -> None:
        """See ports.observer."""
        histogram = self._ack_histograms.get(delegation)
        if histogram is None:
            histogram = self._histograms["liaison_ack_seconds"].labels(delegation)
            self._ack_histograms[delegation] = histogram
        histogram.observe(latency_ms / 1000)

    def delivered(
        self, sender: DelegationId, receiver: DelegationId, *, messages: int, receivers: int, latency_ms: float
    ) -> None:
        """See ports.observer. The latency counts once a batch, however many received it."""
        direction = (sender, receiver)
        counter = self._delivery_counters.get(direction)
        if counter is None:
            counter = self._counters["liaison_deliveries_total"].labels(*direction)
            self._delivery_counters[direction] = counter
            self._delivery_histograms[direction] = self._histograms["liaison_delivery_seconds"].labels(*direction)
        counter.inc(messages * receivers)
        self._delivery_histograms[direction].observe(latency_ms / 1000)

    def caught_up(self, messages: int) -> None:
        """See ports.observer."""
        self._counters["liaison_caught_up_total"].inc(messages)

    def hint_missed(self) -> None:
        """See ports.observer."""
        self._counters["liaison_hints_missed_total"].inc()

    def refused(self, error_name: str) -> None:
        """A command or request was refused."""
        self._counters["liaison_refusals_total"].labels(error_name).inc()

    def slow_consumer(self) -> None:
        """See ports.observer."""
        self._counters["liaison_slow_consumers_total"].inc()

    def attachment_moved(self, delegation: DelegationId, direction: str, size_bytes: int) -> None:
        """See ports.observer."""
        self._counters["liaison_attachments_total"].labels(delegation, direction).inc()
        self._counters["liaison_attachment_bytes_total"].labels(delegation, direction).inc(size_bytes)

    def append_finished(self, messages: int, latency_ms: float, result: str) -> None:
        """See ports.observer."""
        self._counters["liaison_appends_total"].labels(result).inc()
        self._counters["liaison_appended_messages_total"].inc(messages)
        self._histograms["liaison_append_seconds"].observe(latency_ms / 1000)

    def line_check_ended(self, outcome: str) -> None:
        """See ports.observer."""
        self._counters["liaison_line_checks_total"].labels(outcome).inc()

    def desk_looked_at(self, delegation: DelegationId, *, is_unstaffed: bool) -> None:
        """See ports.observer."""
        self._gauges["liaison_desk_unstaffed"].labels(delegation).set(is_unstaffed)

    # --- what the edges tell by themselves ------------------------------------------------------------------------

    def connect_refused(self) -> None:
        """The door dropped a connect."""
        self._counters["liaison_connects_refused_total"].inc()

    def loop_was_late(self, lag_ms: float) -> None:
        """The event loop came to a timer so late."""
        self._gauges["liaison_event_loop_lag_seconds"].set(lag_ms / 1000)


def metrics_routes(metrics: Metrics, token: str) -> Sequence[web.RouteDef]:
    """Give the route of /metrics. With a token, only who brings it as a bearer token may read."""

    async def expose(request: web.Request) -> web.StreamResponse:
        if token and not hmac.compare_digest(
            request.headers.get("Authorization", "").encode(), f"Bearer {token}".encode()
        ):
            raise Refused(ErrorCode.UNAUTHENTICATED, "the metrics need their token")
        return web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [web.get("/metrics", expose)]
