"""Upgrades of an alias to a candidate."""

from typing import TypedDict

from graceful.answers.verdicts import Outcome, Verdict
from graceful.answers.work import Step


class UpgradeSummary(TypedDict):
    """An upgrade as a list shows it."""

    id: int
    state: str
    outcome: Outcome | None
    model: str
    alias: str
    candidate: str
    incumbent: str | None
    superseded_by: int | None
    created_by: str
    created_at: str
    changed_at: str


class Upgrade(UpgradeSummary):
    """An upgrade with its verdict, whether that still stands, and the work behind it."""

    stale: bool
    verdict: Verdict | None
    progress: list[Step]
