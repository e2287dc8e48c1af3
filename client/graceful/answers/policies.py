"""Policies, where they are set, and what holds after inheritance."""

from typing import Any, TypedDict


class PolicyRevision(TypedDict):
    """One immutable revision of a policy."""

    policy: str
    number: int
    document: dict[str, Any]
    text: str
    digest: str
    created_by: str | None
    created_at: str


class PolicyLayer(TypedDict):
    """What one scope sets."""

    scope: str
    policy: str | None


class EffectiveRule(TypedDict):
    """One rule after inheritance: what it does at this level, and where it comes from."""

    part: str
    name: str
    effect: str
    scope: str


class EffectivePolicy(TypedDict):
    """What guards an alias after inheritance."""

    level: str
    document: dict[str, Any]
    origins: dict[str, str]
    rules: list[EffectiveRule]
    layers: list[PolicyLayer]
    digest: str


class PolicyProblem(TypedDict):
    """One thing that is wrong with a policy."""

    line: int | None
    column: int | None
    path: str
    detail: str


class VerifiedPolicy(TypedDict):
    """Whether something is a policy, and if not, why."""

    verified: bool
    task: str | None
    code: str
    detail: str
    line: int | None
    path: str
    problems: list[PolicyProblem]
    document: dict[str, Any] | None
    effective_policy: EffectivePolicy | None


class PolicyScope(TypedDict):
    """What is set for one scope."""

    scope: str
    where: str
    task: str
    group: str
    model: str | None
    alias: str | None
    policy: str | None


class Policy(TypedDict):
    """A named policy."""

    name: str
    task: str
    last_number: int
    created_at: str
