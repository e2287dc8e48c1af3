"""The gate tests itself with every verdict: what is known to be broken must fail."""

from dataclasses import replace

import pytest

from compat.policy import Basis, Bound
from compat.verdict import PLANTED, Outcome, Planted, assess
from tests.compat.test_verdict import a_mean, a_policy, a_rule, evidence, nfr, results_of


def planted(policy, *rungs):
    found = evidence(nfr(0, 900), planted=rungs)
    verdict = assess(policy, [found], first_version=False)
    return verdict, results_of(verdict, PLANTED)[0]


def rung(share, n):
    return Planted(share, [nfr(round(share * n), n)])


def test_the_mildest_planted_regression_that_fails_is_named():
    verdict, result = planted(a_policy(), rung(0.01, 1000), rung(0.02, 1000), rung(0.05, 1000))

    assert verdict.outcome is Outcome.PASSED
    assert result.outcome is Outcome.PASSED
    assert result.reason == "a planted regression of 2.00% fails by flips"


def test_a_rule_that_passes_what_breaks_it_is_an_error_of_the_gate():
    """Whatever went wrong in the measuring: the interval lies, and the value is known."""
    lies = Planted(0.5, [replace(a_mean(0.0, 0.0, name="nfr"), value=0.5)])

    verdict, result = planted(a_policy(), lies)

    assert (verdict.outcome, result.outcome) == (Outcome.ERRORED, Outcome.ERRORED)
    assert "passes a planted regression of 50.00%" in result.reason


@pytest.mark.parametrize(
    "rungs",
    [[], [rung(0.01, 1000)], [Planted(1.0, [])], [Planted(1.0, [nfr(5, 5)])]],
    ids=["none", "too mild", "not measured", "too few"],
)
def test_where_nothing_that_is_planted_fails_the_verdict_is_inconclusive(rungs):
    verdict, result = planted(a_policy(a_rule(min_support=300)), *rungs)

    assert (verdict.outcome, result.outcome) == (Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE)


def test_a_verdict_without_a_planted_regression_does_not_pass():
    found = evidence(nfr(0, 900), planted=None)

    assert assess(a_policy(), [found], first_version=False).outcome is Outcome.INCONCLUSIVE


def test_an_advisory_rule_does_not_catch_for_a_blocking_one():
    strict = a_rule(name="advice", threshold=0.0, basis=Basis.ESTIMATE, advisory=True)
    blocking = a_rule(measurement="gain", bound=Bound.ABOVE, threshold=0.0)
    found = evidence(
        nfr(0, 900), a_mean(0.5, 0.1), planted=[Planted(1.0, [nfr(900, 900), a_mean(0.5, 0.1)])]
    )

    verdict = assess(a_policy(blocking, strict), [found], first_version=False)

    assert verdict.outcome is Outcome.INCONCLUSIVE
