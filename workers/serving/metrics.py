"""What the search process counts, in the text format of Prometheus."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from workers.serving.preparation import Preparation
from workers.serving.search import Search

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

ANSWERED = "answered"
"""The outcome of a search with an answer; any other outcome is the code of a refusal."""

STEPS = ("resolve", "encode", "load", "search", "look_up")
"""The laps of ``search.Stopwatch``."""

BUCKETS_S = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 8)
"""From the quickest step that was measured to a search that its client has given up (chosen)."""

disable_created_metrics()  # when each series began: as many series again, and nobody asks


class Counts:
    """What happened to the searches of this process since it started."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._searches = Counter(
            "graceful_search_requests",
            "Searches by gallery and outcome; without a gallery where it is not one that exists.",
            ["gallery", "outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "graceful_search_seconds",
            "Time of an answered search in this process, its wait for a turn included.",
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        steps = Histogram(
            "graceful_search_step_seconds",
            "Time of each step of an answered search; of one that was made again, the last time.",
            ["step"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._steps = {step: steps.labels(step) for step in STEPS}
        self._in_progress = Gauge(
            "graceful_search_in_progress", "Searches that run now.", registry=self.registry
        )
        ProcessCollector(namespace="graceful_search", registry=self.registry)

    @contextmanager
    def one_running(self) -> Iterator[None]:
        """Count a search as running while the block lasts."""
        self._in_progress.inc()
        try:
            yield
        finally:
            self._in_progress.dec()

    def answered(self, gallery: str, timings_ms: Mapping[str, float], seconds: float) -> None:
        """Count an answer and how long it took."""
        self._searches.labels(gallery, ANSWERED).inc()
        self._seconds.observe(seconds)
        for step, histogram in self._steps.items():
            histogram.observe(timings_ms[step] / 1000)

    def refused(self, gallery: str, code: str) -> None:
        """Count a search without an answer; ``gallery`` is empty unless it is known to exist."""
        self._searches.labels(gallery, code).inc()


@dataclass(frozen=True)
class State(Collector):
    """What the process holds at the moment of the look; no look asks the database."""

    search: Search
    preparation: Preparation

    def collect(self) -> Iterator[Metric]:
        yield self._epochs()
        yield self._problems()
        yield from self._segments()
        encoders = self.search.encoders
        yield GaugeMetricFamily(
            "graceful_search_encoders", "Encoders that are kept.", len(encoders.held())
        )
        yield CounterMetricFamily(
            "graceful_search_encoder_restarts",
            "Starts of an encoder that had been started before: it died or was killed.",
            encoders.restarts(),
        )
        yield GaugeMetricFamily(
            "graceful_search_seconds_since_look",
            "Time since the live pointers of all galleries were last looked at.",
            self.preparation.seconds_since_look(),
        )

    def _epochs(self) -> Metric:
        family = GaugeMetricFamily(
            "graceful_search_gallery_epoch",
            "Epoch of the live pointer that this process has prepared.",
            labels=["gallery"],
        )
        for name, epoch in self.preparation.epochs().items():
            family.add_metric([name], epoch)
        return family

    def _problems(self) -> Metric:
        family = GaugeMetricFamily(
            "graceful_search_gallery_not_ready",
            "1 for each gallery that could not be prepared, and why.",
            labels=["gallery", "code"],
        )
        for name, problem in self.preparation.problems.copy().items():
            family.add_metric([name, problem.code], 1)
        return family

    def _segments(self) -> Iterator[Metric]:
        rows = GaugeMetricFamily(
            "graceful_search_segment_rows",
            "Rows held, by the kind of their index; chunks: in memory, in no index yet.",
            labels=["kind"],
        )
        held_bytes = GaugeMetricFamily(
            "graceful_search_segment_bytes",
            "Bytes of those rows: of index files as they are mapped, of chunks in memory.",
            labels=["kind"],
        )
        for kind, (rows_of_kind, bytes_of_kind) in self.search.segments.sizes().items():
            rows.add_metric([kind], rows_of_kind)
            held_bytes.add_metric([kind], bytes_of_kind)
        yield rows
        yield held_bytes


def exposition(counts: Counts, search: Search, preparation: Preparation) -> bytes:
    """Return everything as text."""
    state = CollectorRegistry()
    state.register(State(search, preparation))
    return generate_latest(counts.registry) + generate_latest(state)
