"""Alerts over several slices: corrected for how many were looked at, and never a proof."""

import gc
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from compat.alerts import p_value
from compat.errors import PolicyError
from compat.intervals import binomial_tails
from compat.measurement import Direction, proportion, undefined
from compat.multiplicity import benjamini_hochberg, holm
from compat.policy import Across, Bound, Correction
from compat.policy_documents import parse_policy
from compat.verdict import Outcome, assess
from tests.compat.test_policy_documents import a_document
from tests.compat.test_verdict import a_mean, a_policy, a_rule, evidence, nfr, results_of, sliced

P_VALUES = st.lists(st.floats(0, 1), max_size=20)


def adjusted(p_values, method):
    """Return what statsmodels makes of them, without its call of the garbage collector.

    That takes half a second at the end of a long session, for each example.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "collect", int)
        return multipletests(p_values, method=method)[1].tolist() if p_values else []


@given(P_VALUES)
def test_holm_agrees_with_statsmodels(p_values):
    expected = adjusted(p_values, "holm")

    assert holm(p_values) == pytest.approx(expected, abs=1e-12)


@given(P_VALUES)
def test_benjamini_hochberg_agrees_with_statsmodels(p_values):
    expected = adjusted(p_values, "fdr_bh")

    assert benjamini_hochberg(p_values) == pytest.approx(expected, abs=1e-12)


@given(n=st.integers(1, 300), share=st.floats(0, 1), data=st.data())
def test_the_tails_of_a_share_agree_with_scipy(n, share, data):
    count = data.draw(st.integers(0, n))

    at_most, at_least = binomial_tails(count, n, share)

    assert at_most == pytest.approx(stats.binom.cdf(count, n, share), abs=1e-9)
    assert at_least == pytest.approx(stats.binom.sf(count - 1, n, share), abs=1e-9)


def test_the_p_value_of_a_mean_is_the_normal_one():
    found = a_mean(-0.02, 0.01)
    z = -0.02 / (found.spread / math.sqrt(found.clusters))

    assert p_value(found, Bound.AT_LEAST, 0.0) == pytest.approx(stats.norm.cdf(z))
    assert p_value(found, Bound.AT_MOST, 0.0) == pytest.approx(stats.norm.sf(z))


def test_what_says_nothing_about_its_spread_has_no_p_value():
    assert p_value(a_mean(math.nan, 0.1), Bound.AT_MOST, 0.0) is None
    assert p_value(a_mean(0.1, 0.0), Bound.AT_MOST, 0.0) is None
    nothing = undefined("nfr", Direction.LOWER_IS_BETTER, "no sample")
    assert p_value(nothing, Bound.AT_MOST, 0.0) is None


def alert(**changes):
    values = {"name": "alert", "slices": ("ink=*",), "across": Across.ANY, "advisory": True}
    return a_rule(**{**values, **changes})


def outcomes(rule, *slices):
    found = evidence(nfr(0, 900), *slices)
    verdict = assess(a_policy(a_rule(), rule), [found], first_version=False)
    assert verdict.outcome is Outcome.PASSED
    return [r.outcome for r in results_of(verdict, "alert")]


def test_a_slice_that_fails_alone_is_no_alert_among_many():
    """3 of 100 at a true 1 % has p = 0.079; 4 of 100 has 0.018: an alert alone, not among ten."""
    fine = [sliced(0, 400, f"ink={i}") for i in range(9)]
    odd = sliced(4, 100, "ink=odd")

    assert outcomes(alert(), odd) == [Outcome.FAILED]
    assert outcomes(alert(), *fine, odd)[-1] is Outcome.INCONCLUSIVE
    assert outcomes(alert(across=Across.EVERY), *fine, odd)[-1] is Outcome.FAILED


def test_a_gross_regression_of_one_slice_is_an_alert_among_many():
    fine = [sliced(0, 400, f"ink={i}") for i in range(9)]

    for correction in Correction:
        rule = alert(correction=correction)
        assert outcomes(rule, *fine, sliced(30, 100, "ink=odd"))[-1] is Outcome.FAILED


def test_alerts_of_slices_at_the_edge_keep_their_level():
    """Ten slices at the very threshold: some alert in at most one of twenty sets."""
    rng = np.random.default_rng(3)
    alarmed = 0
    for counts in rng.binomial(500, 0.01, (400, 10)):
        slices = [sliced(int(b), 500, "ink=x") for b in counts]
        alarmed += min(holm([p_value(m, Bound.AT_MOST, 0.01) for m in slices])) <= 0.05

    assert alarmed / 400 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


@pytest.mark.parametrize("changes", [{"advisory": False}, {"slices": []}])
def test_an_alert_that_would_block_or_has_no_slices_is_refused(changes):
    document = a_document()
    given_rule = {"slices": ["ink=*"], "across": "any", "advisory": True, **changes}
    document["rules"].append({**document["rules"][0], "name": "alert", **given_rule})

    with pytest.raises(PolicyError, match="no alert is no proof"):
        parse_policy(document)


def test_crossed_slices_are_asked_for_by_name_and_by_pattern():
    found = [
        sliced(0, 400, "class=7&ink=light"),
        sliced(90, 400, "class=7&ink=heavy"),
        sliced(0, 400, "class=1&ink=light"),
        proportion("nfr", 0, 400, Direction.LOWER_IS_BETTER, slice="ink=light"),
    ]

    def held(pattern):
        rule = a_rule(slices=(pattern,))
        verdict = assess(a_policy(rule), [evidence(nfr(0, 900), *found)], first_version=False)
        return [r.slice for r in results_of(verdict)]

    assert held("ink=light&class=7") == ["class=7&ink=light"]
    assert held("class=7&ink=*") == ["class=7&ink=heavy", "class=7&ink=light"]
    assert len(held("class=*&ink=*")) == 3
    assert held("*") == ["ink=light"]
    assert held("class=2&ink=*") == ["class=2&ink=*"]
