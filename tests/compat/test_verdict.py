"""The judgement: only a pass opens, everything else has its own name."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.measurement import LEVELS, Direction, Measurement, proportion, undefined
from compat.policy import Basis, Bound, Coverage, Policy, Rule, Task
from compat.verdict import Evidence, Outcome, Planted, assess, assess_coverage, worst


def a_rule(**changes):
    values = {"name": "flips", "measurement": "nfr", "bound": Bound.AT_MOST, "threshold": 0.01}
    return Rule(**{**values, **changes})


def a_policy(*rules, confidence=0.95):
    rules = rules or (a_rule(),)
    return Policy(Task.CLASSIFICATION, confidence, rules, rules)


def nfr(count, n):
    return proportion("nfr", count, n, Direction.LOWER_IS_BETTER)


def a_mean(value, half, name="gain", clusters=100, support=100):
    bounds = {
        "lower": {repr(level): value - half for level in LEVELS},
        "upper": {repr(level): value + half for level in LEVELS},
    }
    return Measurement(
        name,
        value,
        support,
        Direction.HIGHER_IS_BETTER,
        bounds=bounds,
        clusters=clusters,
        spread=half * math.sqrt(clusters) / 1.645,
    )


def evidence(*measurements, **changes):
    values = {
        "evaluation_set": "set:1",
        "measurements": measurements,
        "null_test": "",
        "planted": all_wrong(*measurements),
    }
    return Evidence(**{**values, **changes})


def all_wrong(*measurements):
    """The worst that can be planted: every answer wrong, on the whole set and on each slice."""
    slices = {m.slice for m in measurements} | {""}
    flips = [proportion("nfr", 5000, 5000, Direction.LOWER_IS_BETTER, slice=s) for s in slices]
    return [Planted(1.0, [*flips, a_mean(-1.0, 0.01)])]


def results_of(verdict, rule="flips"):
    return [r for r in verdict.results if r.rule == rule]


def outcome_of(policy, *all_evidence, first_version=False):
    return assess(policy, all_evidence, first_version=first_version).outcome


def test_the_whole_interval_on_the_good_side_passes():
    assert outcome_of(a_policy(), evidence(nfr(0, 299))) is Outcome.PASSED


def test_the_whole_interval_on_the_bad_side_fails():
    assert outcome_of(a_policy(), evidence(nfr(90, 1000))) is Outcome.FAILED


def test_an_interval_that_holds_the_threshold_is_inconclusive_and_says_what_would_settle_it():
    verdict = assess(a_policy(), [evidence(nfr(5, 1000))], first_version=False)

    (result,) = results_of(verdict)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert result.settles_at == 1441
    settled = nfr(math.ceil(0.005 * result.settles_at), result.settles_at)
    assert outcome_of(a_policy(), evidence(settled)) is Outcome.PASSED


def test_the_sample_size_that_settles_a_mean_is_counted_in_samples_not_clusters():
    rule = a_rule(measurement="gain", bound=Bound.ABOVE, threshold=0.0)
    found = a_mean(0.01, 0.02, clusters=50, support=500)

    (result,) = results_of(assess(a_policy(rule), [evidence(found)], first_version=False))

    assert result.outcome is Outcome.INCONCLUSIVE
    assert result.settles_at == pytest.approx(500 * (0.02 / 0.01) ** 2, rel=0.05)


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ((), Outcome.INCONCLUSIVE),
        ((undefined("nfr", Direction.LOWER_IS_BETTER, "no sample"),), Outcome.INCONCLUSIVE),
        ((Measurement("nfr", 0.0, 900, Direction.LOWER_IS_BETTER),), Outcome.INCONCLUSIVE),
        ((a_mean(math.nan, 0.1, name="nfr"),), Outcome.ERRORED),
        ((a_mean(0.0, math.inf, name="nfr"),), Outcome.ERRORED),
        ((nfr(0, 100),), Outcome.INCONCLUSIVE),
    ],
    ids=["not measured", "undefined", "no interval", "nan", "infinite bound", "few samples"],
)
def test_what_is_not_a_measurement_with_an_interval_never_passes(found, outcome):
    assert outcome_of(a_policy(a_rule(min_support=300)), evidence(*found)) is outcome


def test_support_below_the_minimum_is_inconclusive_even_if_the_bound_would_pass():
    rule = a_rule(min_support=1000)

    assert outcome_of(a_policy(rule), evidence(nfr(0, 999))) is Outcome.INCONCLUSIVE
    assert outcome_of(a_policy(rule), evidence(nfr(0, 1000))) is Outcome.PASSED


def test_above_is_strict_and_at_least_is_not():
    at_zero = a_mean(0.0, 0.0)

    strict = a_policy(a_rule(measurement="gain", bound=Bound.ABOVE, threshold=0.0))
    weak = a_policy(a_rule(measurement="gain", bound=Bound.AT_LEAST, threshold=0.0))

    assert outcome_of(strict, evidence(at_zero)) is Outcome.FAILED
    assert outcome_of(weak, evidence(at_zero)) is Outcome.PASSED


def test_an_estimate_is_judged_alone_only_when_the_rule_says_so():
    found = nfr(9, 1000)

    assert outcome_of(a_policy(a_rule(basis=Basis.ESTIMATE)), evidence(found)) is Outcome.PASSED
    assert outcome_of(a_policy(a_rule()), evidence(found)) is Outcome.INCONCLUSIVE


def test_an_advisory_rule_is_shown_and_never_blocks():
    policy = a_policy(a_rule(), a_rule(name="advice", threshold=0.0, advisory=True))

    verdict = assess(policy, [evidence(nfr(0, 500))], first_version=False)

    assert verdict.outcome is Outcome.PASSED
    assert [r.outcome for r in verdict.results if r.advisory] != [Outcome.PASSED]


def test_nothing_to_judge_by_is_inconclusive():
    verdict = assess(a_policy(), [], first_version=False)

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "no evaluation set" in verdict.results[0].reason


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"null_test": None}, Outcome.INCONCLUSIVE),
        ({"null_test": "two rows differ"}, Outcome.ERRORED),
        ({"missing": "outputs_missing"}, Outcome.INCONCLUSIVE),
        ({"error": "outputs_not_finite"}, Outcome.ERRORED),
    ],
)
def test_without_a_null_test_that_passed_nothing_passes(changes, outcome):
    assert outcome_of(a_policy(), evidence(nfr(0, 500), **changes)) is outcome


def test_every_pinned_set_must_pass():
    good, bad = evidence(nfr(0, 500)), evidence(nfr(50, 500), evaluation_set="other:1")

    assert outcome_of(a_policy(), good, bad) is Outcome.FAILED


def test_a_slice_is_no_substitute_for_the_whole_set():
    sliced = proportion("nfr", 0, 500, Direction.LOWER_IS_BETTER, slice="ink=light")

    assert outcome_of(a_policy(), evidence(sliced)) is Outcome.INCONCLUSIVE


def sliced(count, n, name):
    return proportion("nfr", count, n, Direction.LOWER_IS_BETTER, slice=name)


@pytest.mark.parametrize(
    ("pattern", "outcome", "slices"),
    [
        ("ink=light", Outcome.PASSED, ["ink=light"]),
        ("ink=heavy", Outcome.FAILED, ["ink=heavy"]),
        ("ink=*", Outcome.FAILED, ["ink=heavy", "ink=light"]),
        ("*", Outcome.FAILED, ["half=odd", "ink=heavy", "ink=light"]),
        ("ink=faint", Outcome.INCONCLUSIVE, ["ink=faint"]),
        ("in=*", Outcome.INCONCLUSIVE, ["in=*"]),
    ],
)
def test_a_rule_on_slices_holds_for_each_of_them(pattern, outcome, slices):
    found = evidence(
        nfr(0, 900),
        sliced(0, 400, "ink=light"),
        sliced(90, 500, "ink=heavy"),
        sliced(0, 450, "half=odd"),
    )

    verdict = assess(a_policy(a_rule(slices=(pattern,))), [found], first_version=False)

    assert verdict.outcome is outcome
    assert [r.slice for r in verdict.results if r.rule == "flips"] == slices


def test_a_small_slice_is_inconclusive_and_says_so():
    found = evidence(nfr(0, 900), sliced(0, 40, "ink=light"))
    rule = a_rule(slices=("ink=*",), min_support=100)

    (result,) = results_of(assess(a_policy(rule), [found], first_version=False))

    assert (result.outcome, result.settles_at) == (Outcome.INCONCLUSIVE, 100)
    assert "40 samples" in result.reason


def test_pinned_examples_may_never_flip():
    rule = a_rule(slices=("pinned=true",), threshold=0.0, basis=Basis.ESTIMATE)
    kept = evidence(nfr(9, 900), sliced(0, 20, "pinned=true"))
    flipped = evidence(nfr(9, 900), sliced(1, 20, "pinned=true"))

    assert outcome_of(a_policy(rule), kept) is Outcome.PASSED
    assert outcome_of(a_policy(rule), flipped) is Outcome.FAILED
    assert outcome_of(a_policy(rule), evidence(nfr(0, 900))) is Outcome.INCONCLUSIVE


def test_the_worst_of_nothing_is_not_a_pass():
    assert worst([]) is Outcome.INCONCLUSIVE
    assert worst([Outcome.PASSED, Outcome.INCONCLUSIVE]) is Outcome.INCONCLUSIVE
    assert worst([Outcome.ERRORED, Outcome.INCONCLUSIVE]) is Outcome.ERRORED
    assert worst([Outcome.ERRORED, Outcome.FAILED]) is Outcome.FAILED


def test_coverage_needs_every_difference_above_the_margin():
    coverage = Coverage("map", 0.01)
    good = a_mean(0.05, 0.01, name="map.new_old_minus_old_old")
    bad = a_mean(-0.05, 0.01, name="map.new_new_minus_old_new")

    def covered(*differences):
        return assess_coverage(coverage, 0.95, [evidence(good, bad)], differences).outcome

    assert covered("new_old_minus_old_old") is Outcome.PASSED
    assert covered("new_old_minus_old_old", "new_new_minus_old_new") is Outcome.FAILED
    assert covered("never_measured") is Outcome.INCONCLUSIVE
    assert assess_coverage(coverage, 0.95, [], ["x"]).outcome is Outcome.INCONCLUSIVE


SEVERITY = [Outcome.PASSED, Outcome.INCONCLUSIVE, Outcome.FAILED]


@given(count=st.integers(0, 200), worse=st.integers(0, 200), n=st.integers(400, 3000))
def test_more_flips_never_improve_the_outcome(count, worse, n):
    policy = a_policy(a_rule(threshold=0.05))

    before = outcome_of(policy, evidence(nfr(count, n)))
    after = outcome_of(policy, evidence(nfr(count + worse, n)))

    assert SEVERITY.index(after) >= SEVERITY.index(before)


MEASUREMENTS = st.one_of(
    st.builds(nfr, st.integers(0, 50), st.integers(50, 2000)),
    st.builds(
        a_mean,
        st.floats(allow_nan=True, allow_infinity=True),
        st.floats(0, 10),
        name=st.sampled_from(["nfr", "gain"]),
    ),
    st.just(undefined("nfr", Direction.LOWER_IS_BETTER, "no sample")),
)


@given(found=st.lists(MEASUREMENTS, max_size=4), first=st.booleans(), seed=st.integers(0, 99))
def test_the_judgement_is_total_and_independent_of_the_order_of_rules(found, first, seed):
    rules = [a_rule(), a_rule(name="gain", measurement="gain", bound=Bound.ABOVE, threshold=0)]
    shuffled = rules.copy()
    random.Random(seed).shuffle(shuffled)

    outcome = outcome_of(a_policy(*rules), evidence(*found), first_version=first)

    assert outcome in set(Outcome)
    assert outcome is outcome_of(a_policy(*shuffled), evidence(*found), first_version=first)
    measured = {m.name for m in found}
    if outcome is Outcome.PASSED:
        assert measured >= {"nfr", "gain"}
