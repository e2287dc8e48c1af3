"""What a backfill would take, and how far one has come: only from what was measured."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from registry.catalog.models import ModelVersion
from registry.core.leases import WorkState
from registry.evaluation.models import Outputs
from registry.galleries.models import Backfill, Gallery
from registry.galleries.selectors import to_backfill
from registry.galleries.services.holding import require_vectors_here

HOUR_S = 3600


@dataclass(frozen=True)
class EncodeRate:
    """How many items a second an encoder embeds.

    Attributes:
        per_s: None where it was never measured.
        backfill: the backfill that it was measured in, reading and recording included.
        outputs: else the outputs that it was measured on: loading and embedding alone.
        rows: how many items it is measured on.
    """

    per_s: float | None = None
    rows: int = 0
    backfill: Backfill | None = None
    outputs: Outputs | None = None

    @property
    def source(self) -> str:
        """What it was measured in, as a reference."""
        if self.backfill is not None:
            return f"backfill:{self.backfill.pk}"
        return f"outputs:{self.outputs.pk}" if self.outputs is not None else ""


@dataclass(frozen=True)
class Holding:
    """The live items of one producer that is not the live encoder."""

    producer: ModelVersion
    items: int
    with_inputs: int

    @property
    def inputs_missing(self) -> int:
        """Items that came as vectors: nothing can embed them again."""
        return self.items - self.with_inputs


@dataclass(frozen=True)
class BackfillPlan:
    """What a full backfill to the live encoder would take.

    Attributes:
        duration_s: at the measured rate, or at the limit where that is lower; None if unknown.
        cost: of ``duration_s`` at the price; None where one of the two is unknown.
        undefined: why ``duration_s`` is None.
    """

    encoder: ModelVersion
    holdings: tuple[Holding, ...]
    rate: EncodeRate
    price_per_hour: float | None
    duration_s: float | None
    cost: float | None
    undefined: str

    @property
    def items(self) -> int:
        """Live items of other versions."""
        return sum(held.items for held in self.holdings)

    @property
    def movable(self) -> int:
        """Those of them whose inputs are stored."""
        return sum(held.with_inputs for held in self.holdings)

    @property
    def inputs_missing(self) -> int:
        """Those of them that cannot be backfilled."""
        return self.items - self.movable


@dataclass(frozen=True)
class Progress:
    """How far a backfill has come.

    Attributes:
        rate_per_s: items a second of the steps so far, at most the limit; None before one.
        remaining_s: at that rate; None where that is unknown, or nothing more will be moved.
        ends_at: if it goes on now; None unless it is running.
        cost: of the seconds that workers were busy with it.
    """

    handled: int
    remaining: int
    rate_per_s: float | None
    remaining_s: float | None
    ends_at: datetime | None
    cost: float | None


def encode_rate(encoder: ModelVersion) -> EncodeRate:
    """Return the measured rate of an encoder: in its newest backfill, else on its largest set."""
    backfill = (
        Backfill.objects.filter(encoder=encoder, busy_s__gt=0, moved__gt=0)
        .select_related("gallery")
        .order_by("-pk")
        .first()
    )
    if backfill is not None:
        return EncodeRate(backfill.moved / backfill.busy_s, backfill.moved, backfill=backfill)
    timed = [
        outputs
        for outputs in Outputs.objects.filter(
            version_digest=encoder.digest, recording=None, work_state=WorkState.DONE
        ).select_related("set_revision__evaluation_set", "version__model")
        if outputs.result.get("duration_s", 0) > 0 and outputs.result.get("rows", 0) > 0
    ]
    if not timed:
        return EncodeRate()
    largest = max(timed, key=lambda outputs: outputs.result["rows"])
    rows = largest.result["rows"]
    return EncodeRate(rows / largest.result["duration_s"], rows, outputs=largest)


def backfill_plan(
    gallery: Gallery,
    *,
    price_per_hour: float | None = None,
    rate_limit_per_s: float | None = None,
) -> BackfillPlan:
    """Return what a full backfill to the live encoder would take; it counts every item.

    Raises:
        ConflictError: the gallery is attached.
    """
    require_vectors_here(gallery)
    encoder = gallery.live_view.encoder
    holdings = _holdings(gallery)
    rate = encode_rate(encoder)
    speed = rate.per_s
    if speed is not None and rate_limit_per_s is not None:
        speed = min(speed, rate_limit_per_s)
    movable = sum(held.with_inputs for held in holdings)
    duration_s = movable / speed if speed else None
    return BackfillPlan(
        encoder,
        holdings,
        rate,
        price_per_hour,
        duration_s,
        _cost(duration_s, price_per_hour),
        "" if duration_s is not None else "never_measured",
    )


def progress_of(
    backfill: Backfill, *, now: datetime, price_per_hour: float | None = None
) -> Progress:
    """Return how far a backfill has come at a moment."""
    remaining = backfill.total - backfill.handled if backfill.is_open else 0
    rate = backfill.moved / backfill.busy_s if backfill.busy_s and backfill.moved else None
    if rate is not None and backfill.rate_limit_per_s is not None:
        rate = min(rate, backfill.rate_limit_per_s)
    remaining_s = remaining / rate if rate and backfill.is_open else None
    runs = backfill.state == Backfill.State.RUNNING and remaining_s is not None
    return Progress(
        backfill.handled,
        remaining,
        rate,
        remaining_s,
        now + timedelta(seconds=remaining_s) if runs and remaining_s is not None else None,
        _cost(backfill.busy_s, price_per_hour),
    )


def _holdings(gallery: Gallery) -> tuple[Holding, ...]:
    stored = Q(batch__upload__isnull=False) | Q(input_batch__isnull=False)
    rows = list(
        to_backfill(gallery)
        .order_by()
        .values("segment__producer")
        .annotate(items=Count("pk"), with_inputs=Count("pk", filter=stored))
        .order_by("segment__producer")
    )
    producers = ModelVersion.objects.select_related("model").in_bulk(
        [row["segment__producer"] for row in rows]
    )
    return tuple(
        Holding(producers[row["segment__producer"]], row["items"], row["with_inputs"])
        for row in rows
    )


def _cost(duration_s: float | None, price_per_hour: float | None) -> float | None:
    if duration_s is None or price_per_hour is None:
        return None
    return duration_s / HOUR_S * price_per_hour
