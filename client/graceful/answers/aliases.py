"""Aliases and what guards them."""

from typing import TypedDict

from graceful.answers.decisions import Waiver
from graceful.answers.evaluation import SetRevision
from graceful.answers.moves import Move
from graceful.answers.policies import EffectivePolicy, PolicyRevision


class Alias(TypedDict):
    """A movable name."""

    alias: str
    name: str
    epoch: int
    version: str | None


class AliasStanding(TypedDict):
    """What an alias names, or named at a moment, and how that came about."""

    alias: str
    name: str
    at: str
    epoch: int
    version: str | None
    digest: str | None
    move: Move | None
    waivers_owed: list[Waiver]


class Pin(TypedDict):
    """An evaluation-set revision that judges the candidates."""

    evaluation_set: str
    revision: SetRevision


class Gate(TypedDict):
    """What guards an alias."""

    alias: str
    policy: PolicyRevision
    effective_policy: EffectivePolicy
    pins: list[Pin]
