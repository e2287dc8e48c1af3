"""Compatibility levels: which promises block, and against which versions."""

from dataclasses import replace

import pytest

from compat.measurement import Direction, proportion
from compat.policy import Level, Promise
from compat.verdict import NULL_TEST, Outcome, assess
from tests.compat.test_verdict import a_policy, a_rule, evidence, nfr, results_of

RULES = (
    a_rule(name="accuracy", measurement="always"),
    a_rule(name="flips", promise=Promise.BACKWARD),
    a_rule(name="scores", measurement="shift", promise=Promise.FORWARD),
    a_rule(name="mixture", measurement="mixed", promise=Promise.MIXED),
    a_rule(name="chain", measurement="cumulative_nfr", promise=Promise.CUMULATIVE),
)
BROKEN = {"accuracy": "always", "flips": "nfr", "scores": "shift", "mixture": "mixed"} | {
    "chain": "cumulative_nfr"
}


def share(name, count):
    return proportion(name, count, 900, Direction.LOWER_IS_BETTER)


def at(level, broken, **changes):
    """Return the verdict where exactly one of the rules is broken."""
    found = [share(m, 600 if rule == broken else 0) for rule, m in BROKEN.items()]
    policy = replace(a_policy(*RULES), level=level)
    return assess(policy, [evidence(*found, **changes)], first_version=False)


BLOCKS = {
    Level.NONE: set(),
    Level.BACKWARD: {"accuracy", "flips"},
    Level.FORWARD: {"accuracy", "scores"},
    Level.FULL: {"accuracy", "flips", "scores", "mixture"},
    Level.BACKWARD_TRANSITIVE: {"accuracy", "flips", "chain"},
    Level.FORWARD_TRANSITIVE: {"accuracy", "scores", "chain"},
    Level.FULL_TRANSITIVE: {"accuracy", "flips", "scores", "mixture", "chain"},
}


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("broken", list(BROKEN))
def test_a_broken_promise_blocks_exactly_where_the_level_makes_it(level, broken):
    verdict = at(level, broken, planted=None if level is Level.NONE else planted_everywhere())

    blocks = broken in BLOCKS[level]
    (result,) = results_of(verdict, broken)
    assert result.outcome is Outcome.FAILED
    assert result.advisory is not blocks
    assert (verdict.outcome is Outcome.FAILED) is blocks


def planted_everywhere():
    from compat.verdict import Planted

    return [Planted(1.0, [share(m, 900) for m in BROKEN.values()])]


def test_at_level_none_everything_is_measured_and_only_a_broken_measuring_blocks():
    policy = replace(a_policy(*RULES), level=Level.NONE)
    found = evidence(nfr(900, 900), planted=[])

    assert assess(policy, [found], first_version=False).outcome is Outcome.PASSED
    broken = replace(found, null_test="two rows differ")
    assert assess(policy, [broken], first_version=False).outcome is Outcome.ERRORED


def test_a_promise_that_is_not_made_and_not_measured_is_left_out():
    verdict = assess(a_policy(*RULES), [evidence(nfr(0, 900))], first_version=False)

    assert {r.rule for r in verdict.results} & set(BROKEN) == {"accuracy", "flips"}


def test_against_an_earlier_version_only_the_promises_to_it_are_asked():
    policy = replace(a_policy(*RULES), level=Level.FULL_TRANSITIVE)
    now = evidence(*[share(m, 0) for m in BROKEN.values()], planted=planted_everywhere())
    earlier = evidence(share("nfr", 600), share("shift", 0), share("mixed", 0), against="m:1")

    verdict = assess(policy, [now, earlier], first_version=False)

    held = [(r.rule, r.outcome) for r in verdict.results if r.against == "m:1"]
    assert held == [
        (NULL_TEST, Outcome.PASSED),
        ("flips", Outcome.FAILED),
        ("scores", Outcome.PASSED),
        ("mixture", Outcome.PASSED),
    ]
    assert verdict.outcome is Outcome.FAILED


def test_an_earlier_version_that_was_not_compared_keeps_the_gate_shut():
    policy = replace(a_policy(*RULES), level=Level.BACKWARD_TRANSITIVE)
    now = evidence(*[share(m, 0) for m in BROKEN.values()], planted=planted_everywhere())
    earlier = evidence(against="m:1", missing="outputs_missing", null_test=None)

    assert assess(policy, [now, earlier], first_version=False).outcome is Outcome.INCONCLUSIVE
