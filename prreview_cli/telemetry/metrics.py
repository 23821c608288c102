"""The numbers of SPEC §8 in Prometheus' text form.

Two kinds: what this process counted (deliveries and their acknowledgement) and what the database
says at the moment of asking (everything about jobs and money), which is therefore the same whichever
process is asked and survives them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from prreview_cli.core.circuit import Service
from prreview_cli.core.durations import Durations
from prreview_cli.core.job import State

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

ACK_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Sample:
    """What the database says now."""

    by_state: dict[State, int]
    oldest_queued_s: float
    paused: bool
    usd: float
    model_requests: dict[str, int]
    model_calls_in_flight: int
    reviews: Durations
    circuits: dict[Service, bool] = field(default_factory=dict)


class Metrics:
    """This process's counts, and the rendering of everything."""

    def __init__(self) -> None:
        self._deliveries: Counter[str] = Counter()
        self._acks = Durations(ACK_BOUNDS_S)

    def acknowledged(self, outcome: str, seconds: float) -> None:
        """A delivery was answered, so long after its headers were complete."""
        self._deliveries[outcome] += 1
        self._acks.add(seconds)

    def turned_away(self, outcome: str) -> None:
        """A request was refused before it was a delivery."""
        self._deliveries[outcome] += 1

    def deliveries(self) -> dict[str, int]:
        """How many requests had each outcome."""
        return dict(self._deliveries)

    def render(self, sample: Sample) -> bytes:
        """All metrics in the text format, version 0.0.4."""
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 -- heavy, and only the ops listener needs it

        registry = CollectorRegistry()
        registry.register(_Families([*self._counted(), *_sampled(sample)]))
        return generate_latest(registry)

    def _counted(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import CounterMetricFamily  # noqa: PLC0415 -- as above

        deliveries = CounterMetricFamily("prreview_deliveries", "Webhook requests, by what became of them.", labels=["outcome"])
        for outcome, count in sorted(self._deliveries.items()):
            deliveries.add_metric([outcome], count)
        yield deliveries
        yield _histogram("prreview_ack_seconds", "From a delivery's complete headers to its answer.", self._acks)


class _Families:
    """The collector that prometheus_client asks."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _sampled(sample: Sample) -> Iterator[Metric]:
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 -- as above

    depth = GaugeMetricFamily("prreview_queue_depth", "Jobs in each state.", labels=["state"])
    for state in State:
        depth.add_metric([state.value], sample.by_state.get(state, 0))
    yield depth
    running = sample.by_state.get(State.RUNNING, 0)
    yield GaugeMetricFamily("prreview_reviews_in_flight", "Jobs held by a worker.", value=running)
    yield GaugeMetricFamily("prreview_model_calls_in_flight", "Model requests under way.", value=sample.model_calls_in_flight)
    yield GaugeMetricFamily("prreview_oldest_queued_seconds", "Age of the oldest job that is due.", value=sample.oldest_queued_s)
    yield GaugeMetricFamily("prreview_paused", "1 while the profile is paused.", value=int(sample.paused))
    circuits = GaugeMetricFamily("prreview_circuit_open", "1 while a service is taken for down.", labels=["service"])
    for service, is_open in sample.circuits.items():
        circuits.add_metric([service], int(is_open))
    yield circuits
    yield CounterMetricFamily("prreview_usd", "USD spent or reserved since the database began.", value=sample.usd)
    requests = CounterMetricFamily("prreview_model_requests", "Model requests, by HTTP status.", labels=["status"])
    for status, count in sorted(sample.model_requests.items()):
        requests.add_metric([status], count)
    yield requests
    yield _histogram("prreview_review_seconds", "From taking a job to its posted review.", sample.reviews)


def _histogram(name: str, documentation: str, durations: Durations) -> Metric:
    from prometheus_client.metrics_core import HistogramMetricFamily  # noqa: PLC0415 -- as above

    bounds = [*(str(bound) for bound in durations.bounds), "+Inf"]
    buckets = list(zip(bounds, accumulate(durations.counts), strict=True))
    return HistogramMetricFamily(name, documentation, buckets=buckets, sum_value=durations.total_s)
