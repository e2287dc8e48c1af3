"""The judgement: pure, ordered, closed by default. Nothing here reads a clock or a database."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from compat.alerts import p_value
from compat.intervals import mean_settles_at, proportion_settles_at
from compat.measurement import Direction, Measurement
from compat.multiplicity import benjamini_hochberg, holm
from compat.policy import PAIRWISE, Across, Basis, Bound, Correction, Coverage, Policy, Rule


class Outcome(StrEnum):
    """The four facts. Only ``PASSED`` opens the gate."""

    PASSED = "passed"
    INCONCLUSIVE = "inconclusive"
    ERRORED = "errored"
    FAILED = "failed"


_SEVERITY = {
    Outcome.PASSED: 0,
    Outcome.INCONCLUSIVE: 1,
    Outcome.ERRORED: 2,
    Outcome.FAILED: 3,
}

NULL_TEST = "null test"
"""Name of the built-in rule that every set's own null test feeds."""

PLANTED = "planted regression"
"""Name of the built-in rule that the gate must catch what was planted."""

COVERAGE = "gallery coverage"
"""Name under which the coverage of galleries stands among what blocks."""


BUILT_IN = frozenset({NULL_TEST, PLANTED, COVERAGE})
"""What no policy can leave out and no waiver can except."""


@dataclass(frozen=True)
class Planted:
    """A regression that was planted into stored outputs, and what was measured of it.

    Attributes:
        share: of the samples or queries that were made wrong, in (0, 1].
        measurements: what the same measuring code says about it.
    """

    share: float
    measurements: Sequence[Measurement]


@dataclass(frozen=True)
class Evidence:
    """What was measured on one evaluation set, or why it could not be.

    Attributes:
        evaluation_set: its name and revision, such as ``digits:1``.
        against: the earlier version that the candidate is held against; empty for the incumbent.
        measurements: every measurement, slices included.
        null_test: why the null test failed; empty where it passed; None where it was not run.
        missing: the code of what is missing (``outputs_missing``): inconclusive.
        error: the code of what broke (``outputs_not_finite``): errored.
        detail: the sentence that goes with ``missing`` or ``error``.
        planted: regressions planted into the incumbent's own outputs, mildest first; None where
            they were not run.
    """

    evaluation_set: str
    measurements: Sequence[Measurement] = ()
    null_test: str | None = None
    missing: str = ""
    error: str = ""
    detail: str = ""
    against: str = ""
    planted: Sequence[Planted] | None = None


@dataclass(frozen=True)
class RuleResult:
    """How one rule came out on one evaluation set, with every number that was used."""

    rule: str
    evaluation_set: str
    outcome: Outcome
    reason: str
    advisory: bool = False
    measurement: str = ""
    bound: str = ""
    threshold: float | None = None
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    support: int = 0
    settles_at: int | None = None
    direction: str = Direction.NEITHER
    rationale: str = ""
    slice: str = ""
    against: str = ""
    owner: str = ""


@dataclass(frozen=True)
class Verdict:
    """The outcome with each rule's result."""

    outcome: Outcome
    results: tuple[RuleResult, ...]


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of several outcomes; nothing at all is inconclusive, never a pass."""
    return max(outcomes, key=_SEVERITY.__getitem__, default=Outcome.INCONCLUSIVE)


def assess(policy: Policy, evidence: Sequence[Evidence], *, first_version: bool) -> Verdict:
    """Judge what was measured against what is asked, on every pinned evaluation set.

    Each rule must hold on each set (an intersection-union test: no correction is due), and what
    vouches for one earlier version also against every further one that there is evidence for. The
    verdict is the worst outcome among the blocking results; advisory results, and promises that
    the policy's level does not make, are shown and never block. Without an evaluation set there is
    no evidence, and the verdict is inconclusive.
    """
    if not evidence:
        reason = "no evaluation set is pinned: there is nothing to judge by"
        nothing = RuleResult(NULL_TEST, "", Outcome.INCONCLUSIVE, reason)
        return Verdict(Outcome.INCONCLUSIVE, (nothing,))
    results: list[RuleResult] = []
    for one in evidence:
        results.append(_null_result(one))
        rules = _rules_for(policy, one, first_version)
        if not one.against:
            results.append(_planted_result(one, rules, policy.confidence))
        for rule in rules:
            results += _rule_results(rule, one, policy.confidence)
    return Verdict(worst(r.outcome for r in results if not r.advisory), tuple(results))


def assess_coverage(
    coverage: Coverage, confidence: float, evidence: Sequence[Evidence], differences: Sequence[str]
) -> Verdict:
    """Judge whether a query encoder may meet one producer's vectors in a gallery.

    Args:
        coverage: measure, margin and support asked for.
        confidence: one-sided level of the bounds.
        evidence: what was measured on each pinned evaluation set for this pair.
        differences: suffixes of the differences that must not fall below the margin, such as
            ``new_old_minus_old_old``.
    """
    results = []
    for one in evidence:
        results.append(_null_result(one))
        for difference in differences:
            rule = Rule(
                name=f"coverage {difference}",
                measurement=f"{coverage.measure}.{difference}",
                bound=Bound.AT_LEAST,
                threshold=-coverage.margin,
                min_support=coverage.min_support,
            )
            results += _rule_results(rule, one, confidence)
    return Verdict(worst(r.outcome for r in results), tuple(results))


def outcome_after_waivers(
    results: Iterable[tuple[str, Outcome]], waived: Collection[str]
) -> Outcome:
    """Return the worst of blocking results when named rules are excepted.

    Only a rule that failed or is inconclusive can be excepted; the null test and what errored
    never can.

    Args:
        results: (rule, outcome) of everything that blocks, on every set.
        waived: names of the excepted rules.
    """
    waivable = {Outcome.FAILED, Outcome.INCONCLUSIVE}
    return worst(
        Outcome.PASSED
        if rule in waived and rule not in BUILT_IN and outcome in waivable
        else outcome
        for rule, outcome in results
    )


def _rules_for(policy: Policy, evidence: Evidence, first_version: bool) -> list[Rule]:
    """Return what is asked on one set: what does not block at this level is advisory."""
    if first_version:
        return list(policy.first_version)
    measured = {m.name for m in evidence.measurements}
    rules = []
    for rule in policy.rules:
        promised = rule.promise in policy.level.promises
        if evidence.against and not (promised and rule.promise in PAIRWISE):
            continue
        if promised or rule.measurement in measured:
            rules.append(replace(rule, advisory=not policy.blocks(rule)))
    return rules


def _planted_result(evidence: Evidence, rules: Sequence[Rule], confidence: float) -> RuleResult:
    """Return whether what is known to be broken fails by these rules, as it must.

    No rule may pass a planted regression that breaks it, and the worst one must fail.
    """

    def result(outcome: Outcome, reason: str, support: int = 0) -> RuleResult:
        return RuleResult(PLANTED, evidence.evaluation_set, outcome, reason, support=support)

    if evidence.error or evidence.missing:
        return result(Outcome.INCONCLUSIVE, "nothing was measured that could be planted into")
    if evidence.planted is None:
        return result(Outcome.INCONCLUSIVE, "no regression was planted")
    blocking = [rule for rule in rules if not rule.advisory]
    for planted in evidence.planted:
        one = replace(evidence, measurements=planted.measurements)
        judged = [r for rule in blocking for r in _rule_results(rule, one, confidence)]
        for r in judged:
            if r.outcome is Outcome.PASSED and not _meets(r):
                reason = f"{r.rule} passes a planted regression of {planted.share:.2%}"
                return result(Outcome.ERRORED, reason, r.support)
        failed = [r for r in judged if r.outcome is Outcome.FAILED]
        if failed:
            reason = f"a planted regression of {planted.share:.2%} fails by {failed[0].rule}"
            return result(Outcome.PASSED, reason, failed[0].support)
    if not blocking:
        return result(Outcome.PASSED, "nothing blocks at this level")
    return result(Outcome.INCONCLUSIVE, "no planted regression fails: too little to judge by")


def _meets(result: RuleResult) -> bool:
    """Whether the value itself, which is known of what was planted, meets the rule."""
    if result.value is None or result.threshold is None:
        return False
    return _on_good_side(Bound(result.bound), result.threshold, result.value)


def _null_result(evidence: Evidence) -> RuleResult:
    outcome, reason = Outcome.PASSED, "a version against itself shows no difference"
    if evidence.error:
        outcome, reason = Outcome.ERRORED, f"{evidence.error}: {evidence.detail}"
    elif evidence.missing:
        outcome, reason = Outcome.INCONCLUSIVE, f"{evidence.missing}: {evidence.detail}"
    elif evidence.null_test is None:
        outcome, reason = Outcome.INCONCLUSIVE, "the null test was not run"
    elif evidence.null_test:
        outcome, reason = Outcome.ERRORED, evidence.null_test
    return RuleResult(NULL_TEST, evidence.evaluation_set, outcome, reason, against=evidence.against)


def _rule_results(rule: Rule, evidence: Evidence, confidence: float) -> list[RuleResult]:
    """Return one result for the whole set, or one for each slice that the rule asks about.

    A slice counts where anything at all was measured on it, so that a missing measurement shows.
    """
    of_rule = {m.slice: m for m in evidence.measurements if m.name == rule.measurement}
    if not rule.slices:
        return [_rule_result(rule, evidence, of_rule.get(""), "", confidence)]
    known = sorted({m.slice for m in evidence.measurements} - {""})
    asked = [
        name
        for pattern in rule.slices
        for name in [n for n in known if _matches(n, pattern)] or [pattern]
    ]
    names = list(dict.fromkeys(asked))
    results = [_rule_result(rule, evidence, of_rule.get(n), n, confidence) for n in names]
    if rule.across is Across.ANY:
        return _corrected(rule, results, [of_rule.get(name) for name in names], confidence)
    return results


def _corrected(
    rule: Rule,
    results: Sequence[RuleResult],
    found: Sequence[Measurement | None],
    confidence: float,
) -> list[RuleResult]:
    """Return the results of an alert: failed only where that survives the correction."""
    p_values = [p_value(m, rule.bound, rule.threshold) if m else None for m in found]
    known = [p for p in p_values if p is not None]
    adjusted = iter(_CORRECTIONS[rule.correction](known))
    corrected = []
    for result, p in zip(results, p_values, strict=True):
        after = None if p is None else next(adjusted)
        if result.outcome is Outcome.FAILED and (after is None or after > 1 - confidence):
            reason = f"{result.reason}; no alert after correction for {len(known)} slices"
            result = replace(result, outcome=Outcome.INCONCLUSIVE, reason=reason)
        corrected.append(result)
    return corrected


_CORRECTIONS = {Correction.HOLM: holm, Correction.BENJAMINI_HOCHBERG: benjamini_hochberg}


def _matches(name: str, pattern: str) -> bool:
    """Whether ``pattern`` asks about the slice: each of its columns, with its value or any."""
    if pattern == "*":
        return "&" not in name
    asked, held = (
        sorted(part.partition("=")[::2] for part in x.split("&")) for x in (pattern, name)
    )
    return len(asked) == len(held) and all(
        column == other and value in {"*", own}
        for (column, value), (other, own) in zip(asked, held, strict=True)
    )


def _columns(name: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in name.split("&"))
    return sorted((column, value) for column, _, value in pairs)


def _rule_result(
    rule: Rule, evidence: Evidence, found: Measurement | None, of: str, confidence: float
) -> RuleResult:
    outcome, reason, settles_at = _judge(rule, found, confidence)
    finite = found is not None and found.is_finite
    interval = found.interval(confidence) if finite else None
    lower, upper = interval or (None, None)
    return RuleResult(
        rule=rule.name,
        evaluation_set=evidence.evaluation_set,
        outcome=outcome,
        reason=reason,
        advisory=rule.advisory,
        measurement=rule.measurement,
        bound=rule.bound,
        threshold=rule.threshold,
        value=found.value if finite else None,
        lower=lower,
        upper=upper,
        support=found.support if found else 0,
        settles_at=settles_at,
        direction=found.direction if found else Direction.NEITHER,
        rationale=rule.rationale,
        slice=of,
        against=evidence.against,
        owner=rule.owner,
    )


def _judge(
    rule: Rule, found: Measurement | None, confidence: float
) -> tuple[Outcome, str, int | None]:
    if found is None:
        return Outcome.INCONCLUSIVE, f"{rule.measurement} was not measured", None
    if found.value is None:
        return Outcome.INCONCLUSIVE, f"undefined: {found.undefined}", None
    if not found.is_finite:
        return Outcome.ERRORED, f"{rule.measurement} is not a finite number", None
    if found.support < rule.min_support:
        reason = f"{found.support} samples, at least {rule.min_support} needed"
        return Outcome.INCONCLUSIVE, reason, rule.min_support
    if rule.basis is Basis.ESTIMATE:
        good = _holds(rule, found.value)
        return (Outcome.PASSED if good else Outcome.FAILED), _sentence(rule, found.value), None
    interval = found.interval(confidence)
    if interval is None:
        return Outcome.INCONCLUSIVE, f"no interval at confidence {confidence}", None
    if all(_holds(rule, bound) for bound in interval):
        return Outcome.PASSED, _sentence(rule, found.value), None
    if not any(_holds(rule, bound) for bound in interval):
        return Outcome.FAILED, _sentence(rule, found.value), None
    settles_at = _settles_at(rule, found, confidence)
    return Outcome.INCONCLUSIVE, _straddles(found.support, settles_at), settles_at


def _holds(rule: Rule, value: float) -> bool:
    return _on_good_side(rule.bound, rule.threshold, value)


def _on_good_side(bound: Bound, threshold: float, value: float) -> bool:
    if bound is Bound.AT_MOST:
        return value <= threshold
    if bound is Bound.AT_LEAST:
        return value >= threshold
    return value > threshold


def _settles_at(rule: Rule, found: Measurement, confidence: float) -> int | None:
    if found.value is None:
        return None
    if found.count is not None:
        return proportion_settles_at(found.value, rule.threshold, confidence)
    if not found.spread or not found.clusters:
        return None
    n = mean_settles_at(found.value, rule.threshold, found.spread, confidence)
    if n is None:
        return None
    return max(n, found.clusters + 1) * found.support // found.clusters


def _straddles(support: int, settles_at: int | None) -> str:
    if settles_at is None:
        return f"the interval from {support} samples holds the threshold; no sample size is known"
    return (
        f"the interval from {support} samples holds the threshold; "
        f"about {settles_at} samples would settle it if the estimate stays"
    )


def _sentence(rule: Rule, value: float) -> str:
    words = {Bound.AT_MOST: "at most", Bound.AT_LEAST: "at least", Bound.ABOVE: "above"}
    return f"{rule.measurement} is {value:.4g}, asked for {words[rule.bound]} {rule.threshold:g}"
