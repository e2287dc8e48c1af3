"""Reads of shadows: which run, and what one says of its candidate."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Q, QuerySet

from compat.intervals import bernstein
from registry.upgrades.latencies import quantile_at_most
from registry.upgrades.models import Shadow, Upgrade
from registry.upgrades.states import OPEN, State

CONFIDENCE = 0.975
"""Of each bound of the mean overlap; the interval holds with 95 %."""


@dataclass(frozen=True)
class ShadowResult:
    """What a shadow has measured so far.

    A p95 is the upper bound of the bucket that it lies in, in milliseconds: infinite beyond the
    last one, None where nothing was compared.

    Attributes:
        shadow: its number.
        is_running: whether more may come.
        queries: that both encoders answered: all figures are about these.
        mean_overlap: mean share of the first ten hits that both have; None without queries.
        overlap_lower: lower end of its 95 % interval; None below two queries.
        overlap_upper: upper end.
        top1_changed: queries whose first hit is another.
        not_comparable: sampled queries that the candidate could not be asked.
        failed: sampled queries that the candidate did not answer.
        dropped: sampled queries that there was no time for.
    """

    shadow: int
    is_running: bool
    queries: int
    mean_overlap: float | None
    overlap_lower: float | None
    overlap_upper: float | None
    top1_changed: int
    not_comparable: int
    failed: int
    dropped: int
    live_p50_ms: float | None
    live_p95_ms: float | None
    candidate_p50_ms: float | None
    candidate_p95_ms: float | None


def shadows_of(upgrade: Upgrade) -> QuerySet[Shadow]:
    """Return the shadows of an upgrade, newest first."""
    return (
        Shadow.objects.select_related("upgrade__alias__model", "upgrade__candidate", "started_by")
        .filter(upgrade=upgrade)
        .order_by("-pk")
    )


def shadows_at_work(now: datetime) -> QuerySet[Shadow]:
    """Return the shadows that queries are sampled for now.

    While a stale verdict is made again the evidence of what may be searched does not stand:
    nothing is sampled, and the shadow is not over.
    """
    return (
        Shadow.objects.select_related("upgrade__alias", "upgrade__candidate__model")
        .filter(state=Shadow.State.RUNNING, upgrade__state=State.JUDGED)
        .filter(alias_epoch=F("upgrade__alias__epoch"))
        .filter(Q(ends_at=None) | Q(ends_at__gt=now))
        .filter(Q(most_queries=None) | Q(queries__lt=F("most_queries")))
        .order_by("pk")
    )


def reason_to_end(shadow: Shadow, now: datetime) -> str:
    """Return why a running shadow is over, or nothing."""
    upgrade = shadow.upgrade
    if upgrade.state not in OPEN:
        return Shadow.End.UPGRADE_CLOSED
    if shadow.alias_epoch != upgrade.alias.epoch:
        return Shadow.End.ALIAS_MOVED
    if shadow.ends_at is not None and shadow.ends_at <= now:
        return Shadow.End.TIME
    if shadow.most_queries is not None and shadow.queries >= shadow.most_queries:
        return Shadow.End.QUERIES
    return ""


def shadow_result(upgrade: Upgrade) -> ShadowResult | None:
    """Return what the newest shadow of the upgrade says of its candidate beside what serves now.

    None where there was none since the alias last moved.
    """
    held = shadows_of(upgrade).filter(alias_epoch=F("upgrade__alias__epoch")).first()
    return result_of(held) if held else None


def result_of(shadow: Shadow) -> ShadowResult:
    """Return what one shadow has measured."""
    n = shadow.compared
    mean = shadow.overlap_sum / n if n else None
    lower, upper = _interval(shadow) if n > 1 else (None, None)
    return ShadowResult(
        shadow=shadow.pk,
        is_running=shadow.state == Shadow.State.RUNNING,
        queries=n,
        mean_overlap=mean,
        overlap_lower=lower,
        overlap_upper=upper,
        top1_changed=shadow.top1_changed,
        not_comparable=shadow.not_comparable,
        failed=shadow.failed,
        dropped=shadow.dropped,
        live_p50_ms=quantile_at_most(shadow.live_latency, 0.5),
        live_p95_ms=quantile_at_most(shadow.live_latency, 0.95),
        candidate_p50_ms=quantile_at_most(shadow.candidate_latency, 0.5),
        candidate_p95_ms=quantile_at_most(shadow.candidate_latency, 0.95),
    )


def _interval(shadow: Shadow) -> tuple[float, float]:
    n = shadow.compared
    mean = min(1.0, shadow.overlap_sum / n)  # a sum of shares is rounded
    variance = (shadow.overlap_square_sum - n * mean * mean) / (n - 1)
    return bernstein(mean, max(0.0, variance), n, CONFIDENCE)
