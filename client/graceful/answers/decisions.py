"""What people decide on a candidate: approvals, rejections, waivers."""

from typing import TypedDict

from graceful.answers.verdicts import Outcome


class Decision(TypedDict):
    """A person's yes or no to a candidate, bound to the verdict that it was given on."""

    kind: str
    person: str
    verdict: int
    comment: str
    at: str


class Waiver(TypedDict):
    """An exception to named rules for one candidate, asked for by one person."""

    id: int
    upgrade: int
    candidate: str
    rules: list[str]
    sample_ids: list[str]
    reason: str
    requested_by: str
    requested_at: str
    granted_by: str | None
    granted_at: str | None
    expires_at: str
    expired: bool


class OwedWaiver(Waiver):
    """A waiver under which an alias serves."""

    alias: str


class Decisions(TypedDict):
    """Everything that people decided on a candidate, and what it comes to now."""

    outcome: Outcome
    outcome_with_waivers: Outcome
    approvals: int
    approvals_needed: int
    decisions: list[Decision]
    waivers: list[Waiver]
    waivers_in_force: list[int]
