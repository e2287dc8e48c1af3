"""Promotions that were asked for beforehand."""

from typing import TypedDict


class ShadowCondition(TypedDict):
    """What a shadow has to have shown."""

    queries: int
    overlap: float


class ScheduleSummary(TypedDict):
    """A promotion that was asked for beforehand, and what became of it."""

    id: int
    upgrade: int
    alias: str
    candidate: str
    state: str
    not_before: str
    not_after: str
    after_shadow: ShadowCondition | None
    dual_query: bool
    reason: str
    code: str
    detail: str
    epoch: int | None
    created_by: str
    created_at: str
    ended_at: str | None


class Schedule(ScheduleSummary):
    """A schedule with what it waits for beside its moment."""

    waits_for: str
