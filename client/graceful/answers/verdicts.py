"""Verdicts with every number that they used."""

from typing import Literal, TypedDict

Outcome = Literal["passed", "inconclusive", "errored", "failed"]


class RuleResult(TypedDict):
    """How one rule came out on one evaluation set."""

    rule: str
    evaluation_set: str
    outcome: Outcome
    reason: str
    advisory: bool
    measurement: str
    bound: str
    threshold: float | None
    value: float | None
    lower: float | None
    upper: float | None
    support: int
    settles_at: int | None
    direction: str
    rationale: str


class Coverage(TypedDict):
    """Whether the candidate may meet one producer's vectors."""

    producer: str
    producer_digest: str
    outcome: Outcome
    results: list[RuleResult]


class Verdict(TypedDict):
    """One judgement, with every number that it used."""

    number: int
    kind: str
    outcome: Outcome
    incumbent: str | None
    policy: str
    results: list[RuleResult]
    coverage: list[Coverage]
    comparisons: list[int]
    fingerprint_sha256: str
    created_at: str
