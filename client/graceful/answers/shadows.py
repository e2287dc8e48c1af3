"""Live queries that a candidate answers too."""

from typing import TypedDict


class Latency(TypedDict):
    """A histogram of answers by their time."""

    p50_ms_at_most: float | None
    p95_ms_at_most: float | None
    bounds_ms: list[int]
    counts: list[int]


class Shadow(TypedDict):
    """Live queries that a candidate answered too, and what came of them."""

    id: int
    upgrade: int
    state: str
    end: str
    share: float
    ends_at: str | None
    most_queries: int | None
    queries: int
    compared: int
    not_comparable: int
    failed: int
    dropped: int
    last_failure: str
    mean_overlap_at_10: float | None
    overlap_lower: float | None
    overlap_upper: float | None
    top1_changed: int
    live_latency: Latency
    candidate_latency: Latency
    started_by: str
    started_at: str
    ended_at: str | None
