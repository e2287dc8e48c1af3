"""The gate tests a policy before anybody relies on it: what breaks a rule must fail by it."""

from dataclasses import replace

from compat.errors import PolicyError
from compat.measurement import LEVELS, Direction, Measurement, Tail
from compat.policy import Across, Bound, Policy, Rule
from compat.verdict import Evidence, Outcome, Planted, assess

SUPPORT = 10**9
"""So many samples that only the rule itself decides."""

OVER = 1e-6
"""Chosen: how far over its budget the planted regression is."""


def require_caught(policy: Policy) -> None:
    """Plant a regression just over the budget of each blocking rule, and see the policy fail it.

    Raises:
        PolicyError: one gets through; the rule is named.
    """
    for path, rules, is_first in (
        ("rules", policy.rules, False),
        ("first_version", policy.first_version, True),
    ):
        for i, rule in enumerate(rules):
            blocks = not rule.advisory if is_first else policy.blocks(rule)
            if blocks and _outcome(policy, rule, is_first) is not Outcome.FAILED:
                raise PolicyError(
                    f"{path}[{i}]", f"a regression just over {rule.threshold:g} would not fail"
                )


def _outcome(policy: Policy, rule: Rule, is_first: bool) -> Outcome:
    planted = [_just_over(rule, slice) for slice in _slices(rule)]
    alone = replace(rule, across=Across.EVERY)
    one = replace(policy, rules=(alone,), first_version=(alone,))
    evidence = Evidence("planted", planted, null_test="", planted=[Planted(1.0, planted)])
    return assess(one, [evidence], first_version=is_first).outcome


def _slices(rule: Rule) -> list[str]:
    return [s.replace("*", "planted") if "=" in s else "planted=yes" for s in rule.slices] or [""]


def _just_over(rule: Rule, slice: str) -> Measurement:
    step = OVER * max(1.0, abs(rule.threshold))
    value = rule.threshold + (step if rule.bound is Bound.AT_MOST else -step)
    levels = {repr(level): value for level in LEVELS}
    return Measurement(
        rule.measurement,
        value,
        SUPPORT,
        Direction.NEITHER,
        slice=slice,
        bounds={Tail.LOWER.value: levels, Tail.UPPER.value: levels},
    )
