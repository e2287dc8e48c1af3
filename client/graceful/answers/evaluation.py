"""Evaluation sets, and what was measured on them."""

from typing import Any, TypedDict

from graceful.answers.verdicts import Outcome, RuleResult
from graceful.answers.work import WorkError


class SetRevision(TypedDict):
    """One immutable revision of an evaluation set."""

    revision: str
    number: int
    state: str
    digest: str
    file_name: str
    summary: dict[str, Any]
    times_judged: int
    work_state: str
    error: WorkError | None
    created_by: str
    created_at: str


class Measurement(TypedDict):
    """One value of one measure on one slice."""

    name: str
    slice: str
    value: float | str | None
    support: int
    direction: str
    count: int | None
    bounds: dict[str, dict[str, float]]
    undefined: str


class Flip(TypedDict):
    """One sample on which the two versions differ."""

    row: int
    id: str
    label: str
    old: str
    new: str
    has_image: bool


class Comparison(TypedDict):
    """Two versions on one evaluation set."""

    id: int
    old: str
    new: str
    producer: str | None
    evaluation_set: str
    measurements: list[Measurement]
    null_test: dict[str, Any]
    flip_count: int
    work_state: str
    error: WorkError | None


class Check(TypedDict):
    """Uploaded outputs that are judged against the incumbent; nothing is registered."""

    id: int
    alias: str
    evaluation_set: str
    incumbent: str | None
    policy: str
    outcome: Outcome | None
    results: list[RuleResult]
    measurements: list[Measurement]
    flips: list[Flip]
    work_state: str
    progress_done: int
    progress_total: int
    error: WorkError | None
    created_at: str
