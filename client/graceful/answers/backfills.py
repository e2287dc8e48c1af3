"""Re-embedding of stored items."""

from typing import TypedDict

from graceful.answers.work import WorkError


class Backfill(TypedDict):
    """Re-embedding of a gallery's items with its live encoder."""

    id: int
    gallery: str
    encoder: str
    state: str
    order: str
    order_note: str
    rate_limit_per_s: float | None
    total: int
    moved: int
    skipped: int
    failed: int
    busy_s: float
    rate_per_s: float | None
    remaining_s: float | None
    ends_at: str | None
    work_state: str
    error: WorkError | None
    created_by: str
    created_at: str
    finished_at: str | None


class Holding(TypedDict):
    """Live items of one version that is not the live encoder."""

    producer: str
    items: int
    with_inputs: int
    inputs_missing: int


class BackfillPlan(TypedDict):
    """What a full backfill to the live encoder would take."""

    encoder: str
    items: int
    movable: int
    inputs_missing: int
    producers: list[Holding]
    rate_per_s: float | None
    rate_measured_in: str
    duration_s: float | None
    price_per_hour: float | None
    cost: float | None
    undefined: str
