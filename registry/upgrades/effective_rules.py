"""What guards an alias, part by part: where each rule comes from, and whether it can block."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from compat.policy import Rule
from compat.policy_documents import RULE_LISTS
from registry.upgrades.effective_policies import EffectivePolicy
from registry.upgrades.models import PolicyChoice


class Effect(StrEnum):
    """What a rule does to a candidate that breaks it."""

    BLOCKS = "blocks"
    ADVISORY = "advisory"
    NOT_AT_LEVEL = "not_at_this_level"


@dataclass(frozen=True)
class EffectiveRule:
    """A rule after inheritance; ``part`` is the list that it is in."""

    part: str
    rule: Rule
    effect: Effect
    source: PolicyChoice


def effective_rules(policy: EffectivePolicy) -> list[EffectiveRule]:
    """Return every rule in the order of the whole document."""
    layers = _by_where(policy)
    return [
        EffectiveRule(
            part, rule, _effect(policy, part, rule), layers[policy.origins[f"{part}/{rule.name}"]]
        )
        for part in RULE_LISTS
        for rule in getattr(policy.rules, part)
    ]


def effective_parts(policy: EffectivePolicy) -> list[tuple[str, Any, PolicyChoice | None]]:
    """Return every part beside the rules, with what set it; None for what nothing sets."""
    layers = _by_where(policy)
    names = ("level", "confidence", "coverage", "promotions", "severity", "cut_off")
    return [
        (name, getattr(policy.rules, name), layers.get(policy.origins.get(name, "")))
        for name in names
    ]


def _effect(policy: EffectivePolicy, part: str, rule: Rule) -> Effect:
    if rule.advisory:
        return Effect.ADVISORY
    blocks = part == "first_version" or policy.rules.blocks(rule)
    return Effect.BLOCKS if blocks else Effect.NOT_AT_LEVEL


def _by_where(policy: EffectivePolicy) -> Mapping[str, PolicyChoice]:
    return {layer.where: layer for layer in policy.layers}
