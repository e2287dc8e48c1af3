"""Adapters of a candidate and what was measured of them."""

from typing import TypedDict

from graceful.answers.evaluation import Measurement
from graceful.answers.work import WorkError


class HeldOut(TypedDict):
    """What one way of asking was worth on items that nothing was fitted on."""

    name: str
    retained: float
    cosine: float


class Fitted(TypedDict):
    """How an adapter was chosen."""

    method: str
    tried: list[HeldOut]
    stay_old: HeldOut
    fitted: int
    held_out: int


class AdapterFigures(TypedDict):
    """One measure on one judging set, under each way of moving; null where not measured yet."""

    evaluation_set: str
    measure: str
    old_old: Measurement | None
    untouched: Measurement | None
    adapted: Measurement | None
    gain: Measurement | None
    re_embedded: Measurement | None


class Preparation(TypedDict):
    """How far the vectors of one gallery are rewritten for an adapted version."""

    gallery: str
    items: int
    rewritten: int
    is_wanted: bool
    failed_batches: int
    reason: str


class Adapter(TypedDict):
    """An adapter that was asked for, the version that it made, and what was measured of it."""

    id: int
    upgrade: int
    candidate: str
    incumbent: str
    evaluation_set: str
    side: str
    work_state: str
    error: WorkError | None
    result: Fitted | None
    version: str | None
    rewriter: str | None
    version_upgrade: int | None
    preparations: list[Preparation]
    figures: list[AdapterFigures]
    requested_by: str
    created_at: str
