"""Add to the counters of a shadow what a search process has found since it last did."""

from dataclasses import dataclass, field

from django.db import transaction

from registry.upgrades.latencies import added, counted
from registry.upgrades.models import Shadow


@dataclass(frozen=True)
class Compared:
    """One query that both encoders answered.

    Attributes:
        overlap: share of the first ten hits that both have.
        same_top1: whether the first hit is the same.
        live_ms: how long the live answer took.
        candidate_ms: how long the candidate's took.
    """

    overlap: float
    same_top1: bool
    live_ms: float
    candidate_ms: float


@dataclass
class Tally:
    """Sampled queries of one shadow that its row does not count yet."""

    compared: list[Compared] = field(default_factory=list)
    not_comparable: int = 0
    failed: int = 0
    dropped: int = 0
    last_failure: str = ""

    @property
    def queries(self) -> int:
        """All of them."""
        return len(self.compared) + self.not_comparable + self.failed + self.dropped

    def add(self, more: "Tally") -> None:
        """Take over what another one holds."""
        self.compared += more.compared
        self.not_comparable += more.not_comparable
        self.failed += more.failed
        self.dropped += more.dropped
        self.last_failure = self.last_failure or more.last_failure


@transaction.atomic
def count_shadow(*, shadow_id: int, tally: Tally) -> None:
    """Add a tally to the row, one search process after the other.

    What comes after the end counts too: those queries were sampled before it.
    """
    shadow = Shadow.objects.select_for_update().get(pk=shadow_id)
    shadow.queries += tally.queries
    shadow.compared += len(tally.compared)
    shadow.not_comparable += tally.not_comparable
    shadow.failed += tally.failed
    shadow.dropped += tally.dropped
    shadow.overlap_sum += sum(one.overlap for one in tally.compared)
    shadow.overlap_square_sum += sum(one.overlap**2 for one in tally.compared)
    shadow.top1_changed += sum(not one.same_top1 for one in tally.compared)
    live = counted([one.live_ms for one in tally.compared])
    candidate = counted([one.candidate_ms for one in tally.compared])
    shadow.live_latency = added(shadow.live_latency, live)
    shadow.candidate_latency = added(shadow.candidate_latency, candidate)
    shadow.last_failure = tally.last_failure[:300] or shadow.last_failure
    shadow.save(
        update_fields=[
            "queries", "compared", "not_comparable", "failed", "dropped", "overlap_sum",
            "overlap_square_sum", "top1_changed", "live_latency", "candidate_latency",
            "last_failure",
        ]
    )  # fmt: skip
