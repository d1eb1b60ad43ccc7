"""What Prometheus reads at /metrics: one registry a server, so that two in one process do not mix."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
OWN_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05)


@dataclass(frozen=True)
class Metrics:
    """The figures of one server."""

    registry: CollectorRegistry
    requests: Counter
    records: Counter
    seconds: Histogram
    own_seconds: Histogram
    waiting: Gauge
    champion: Gauge
    switches: Counter
    traffic_rows: Counter
    traffic_lost: Counter
    traffic_failing: Gauge

    def text(self) -> bytes:
        """All figures in Prometheus' text form."""
        return generate_latest(self.registry)


def metrics() -> Metrics:
    """Fresh figures, all zero."""
    here = CollectorRegistry()
    return Metrics(
        registry=here,
        requests=Counter("tidemill_requests", "by path and HTTP status", ["path", "status"], registry=here),
        records=Counter("tidemill_records", "answered, by model version", ["version"], registry=here),
        seconds=Histogram("tidemill_seconds", "of a predict request", buckets=SECONDS, registry=here),
        own_seconds=Histogram(
            "tidemill_own_seconds", "of it neither waiting nor in the model", buckets=OWN_SECONDS, registry=here
        ),
        waiting=Gauge("tidemill_waiting_records", "that no thread works at yet", registry=here),
        champion=Gauge("tidemill_champion_version", "that answers now", registry=here),
        switches=Counter("tidemill_switches", "to another champion, by outcome", ["outcome"], registry=here),
        traffic_rows=Counter("tidemill_traffic_rows", "written to the traffic log", registry=here),
        traffic_lost=Counter("tidemill_traffic_lost_rows", "that could not be written", registry=here),
        traffic_failing=Gauge("tidemill_traffic_failing", "1 while the log cannot be written", registry=here),
    )
