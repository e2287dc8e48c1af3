"""A query as it is answered now, and as it would be."""

from typing import Any, TypedDict


class ComparedHit(TypedDict):
    """An item that was found, and where the other answer has it."""

    id: str
    score: float
    calibrated: float | None
    segment: int
    producer: str
    label: str | None
    change: str
    by: int
    picture: str


class PreviewSide(TypedDict):
    """One of the two answers to a query."""

    encoder: str
    merged_by: str
    hits: list[ComparedHit]
    skipped: list[dict[str, Any]]
    timings_ms: dict[str, float]


class PreviewQuery(TypedDict):
    """What was asked with."""

    kind: str
    name: str
    row: int | None
    label: str | None
    picture: str


class Preview(TypedDict):
    """A query as users see it now, and as they would after a promotion."""

    gallery: str
    epoch: int
    upgrade: int
    mode: str
    verdict_stands: bool
    searchable_items: int
    unsearchable_items: int
    labels_from: list[str]
    query: PreviewQuery
    live: PreviewSide
    preview: PreviewSide
    overlap_at_10: float | None
    flip: str
