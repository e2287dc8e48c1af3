"""Whatever the policy and whatever was measured: total, monotone, and the order says nothing."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from compat.measurement import Direction, Measurement, proportion, undefined
from compat.policy import Across, Basis, Bound, Correction, Level, Policy, Promise, Rule, Task
from compat.verdict import Evidence, Outcome, Planted, assess
from tests.compat.test_verdict import a_mean

NAMES = ["nfr", "gain", "cumulative_nfr", "classes_lost"]
SLICES = ["", "ink=light", "ink=heavy", "half=odd", "half=odd&ink=light"]
PATTERNS = ["*", "ink=*", "ink=light", "half=*&ink=*", "class=7", "pinned=true"]

LOWER = Direction.LOWER_IS_BETTER
OUTCOMES = [Outcome.PASSED, Outcome.INCONCLUSIVE, Outcome.ERRORED, Outcome.FAILED]


def rules(name):
    return st.builds(
        Rule,
        name=st.just(name),
        measurement=st.sampled_from(NAMES),
        bound=st.sampled_from(Bound),
        threshold=st.floats(-1, 1),
        basis=st.sampled_from(Basis),
        min_support=st.integers(1, 500),
        slices=st.lists(st.sampled_from(PATTERNS), max_size=3).map(tuple),
        across=st.sampled_from(Across),
        correction=st.sampled_from(Correction),
        promise=st.sampled_from(Promise),
        advisory=st.booleans(),
    )


POLICIES = st.builds(
    Policy,
    task=st.just(Task.CLASSIFICATION),
    confidence=st.sampled_from([0.9, 0.95, 0.99, 0.8]),
    rules=st.tuples(rules("one"), rules("two"), rules("three")),
    first_version=st.tuples(rules("first")),
    level=st.sampled_from(Level),
)


@st.composite
def measured(draw, name, slice):
    kind = draw(st.sampled_from(["share", "mean", "undefined"]))
    if kind == "undefined":
        return undefined(name, LOWER, "no sample", slice=slice)
    if kind == "share":
        n = draw(st.integers(1, 2000))
        return proportion(name, draw(st.integers(0, n)), n, LOWER, slice=slice)
    value = draw(st.floats(-1, 1) | st.floats(allow_nan=True, allow_infinity=True))
    return replace(a_mean(value, draw(st.floats(0, 2)), name=name), slice=slice)


@st.composite
def measurements(draw):
    """On each slice that there is, more than one thing is measured."""
    slices = ["", *draw(st.lists(st.sampled_from(SLICES[1:]), unique=True))]
    return [draw(measured(name, slice)) for slice in slices for name in NAMES]


PLANTED = st.none() | st.lists(st.builds(Planted, st.floats(0.001, 1), measurements()), max_size=2)
EVIDENCE = st.builds(
    Evidence,
    evaluation_set=st.sampled_from(["a:1", "b:1"]),
    measurements=measurements(),
    null_test=st.sampled_from(["", "", "", "two rows differ", None]),
    missing=st.sampled_from(["", "", "", "outputs_missing"]),
    against=st.sampled_from(["", "", "m:1"]),
    planted=PLANTED,
)


def outcome(policy, evidence, first):
    return assess(policy, evidence, first_version=first).outcome


@settings(max_examples=200, deadline=None)
@given(policy=POLICIES, evidence=st.lists(EVIDENCE, max_size=3), first=st.booleans())
def test_any_policy_and_any_measurements_give_an_outcome(policy, evidence, first):
    assert outcome(policy, evidence, first) in set(Outcome)


@settings(max_examples=100, deadline=None)
@given(
    policy=POLICIES,
    evidence=st.lists(EVIDENCE, max_size=3),
    first=st.booleans(),
    seed=st.integers(),
)
def test_the_order_of_rules_evidence_and_measurements_says_nothing(policy, evidence, first, seed):
    mixed = random.Random(seed)

    def shuffled(values):
        values = list(values)
        mixed.shuffle(values)
        return tuple(values)

    other = replace(policy, rules=shuffled(policy.rules))
    again = [replace(e, measurements=shuffled(e.measurements)) for e in shuffled(evidence)]

    assert outcome(policy, evidence, first) is outcome(other, again, first)


@settings(max_examples=200, deadline=None)
@given(policy=POLICIES, evidence=EVIDENCE, first=st.booleans(), data=st.data())
def test_leaving_something_out_never_opens_the_gate(policy, evidence, first, data):
    before = outcome(policy, [evidence], first)
    gone = data.draw(st.integers(0, len(evidence.measurements) - 1))
    fewer = [m for i, m in enumerate(evidence.measurements) if i != gone]

    for poorer in (
        replace(evidence, measurements=fewer),
        replace(evidence, planted=None),
        replace(evidence, null_test=None),
    ):
        if outcome(policy, [poorer], first) is Outcome.PASSED:
            assert before is Outcome.PASSED
    assert outcome(policy, [], first) is not Outcome.PASSED


def worse(found: Measurement, bound: Bound, by: float) -> Measurement:
    """Return the same measurement moved towards the bad side of a bound."""
    if found.value is None or not found.is_finite:
        return found
    if found.count is not None:
        step = round(by * found.support) * (1 if bound is Bound.AT_MOST else -1)
        count = min(found.support, max(0, found.count + step))
        return replace(found, count=count, value=count / found.support)
    step = by if bound is Bound.AT_MOST else -by
    bounds = {
        side: {level: x + step for level, x in levels.items()}
        for side, levels in found.bounds.items()
    }
    return replace(found, value=found.value + step, bounds=bounds)


@settings(max_examples=200, deadline=None)
@given(policy=POLICIES, evidence=EVIDENCE, first=st.booleans(), by=st.floats(0, 1))
def test_a_worse_measurement_never_improves_the_outcome(policy, evidence, first, by):
    """One rule at a time, since what is worse for one may be better for another."""
    for rule in policy.first_version if first else policy.rules:
        one = replace(policy, rules=(rule,), first_version=(rule,))
        changed = [worse(m, rule.bound, by) for m in evidence.measurements]
        before = outcome(one, [evidence], first)
        after = outcome(one, [replace(evidence, measurements=changed)], first)

        assert OUTCOMES.index(after) >= OUTCOMES.index(before)
