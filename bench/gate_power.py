"""How often the default policies pass and block when the truth is known.

    python -m bench.gate_power

Each cell is 2,000 simulated upgrades, judged by ``compat.verdict.assess`` itself. The truth at
the edge of a rule is the hardest case of a false pass; its nominal level is 5 %.
"""

from dataclasses import replace

import numpy as np

from bench.machine import print_table
from compat.intervals import binomial_tails
from compat.measurement import LEVELS, Direction, Measurement, proportion
from compat.metrics.bootstrap import Contributions, bounds_of_means
from compat.multiplicity import benjamini_hochberg, holm
from compat.policy import Policy, Rule, Task
from compat.policy_defaults import DEFAULTS
from compat.policy_documents import parse_policy
from compat.verdict import Evidence, Outcome, Planted, assess

SIMULATED = 2_000
SIZES = (300, 1_000, 3_000, 10_000)
TRUE_NFR = (0.0025, 0.005, 0.0075, 0.01, 0.0125, 0.015, 0.02)
TRUE_GAIN = (-0.02, -0.005, 0.0, 0.005, 0.01, 0.02)
SPREAD = 0.15
"""Standard deviation of a query's difference in average precision where it differs at all, about
what the demo's embedders show."""
SHARE_EQUAL = 0.3
"""Share of queries whose average precision does not differ at all."""
PEEKS = range(100, 3_001, 100)
SLICES = 10
TRIES = (1, 5, 20)


def main() -> None:
    """Print every table."""
    rng = np.random.default_rng(20_260)
    flips = _only("nfr", Task.CLASSIFICATION)
    gain = _only("map.new_old_minus_old_old", Task.EMBEDDING)
    print_table(
        "Rule: upper 95 % bound of negative flips at most 1 %; pass / inconclusive / fail",
        ["true NFR", *(f"n = {n:,}" for n in SIZES)],
        [[f"{p:.2%}", *(_flip_cell(rng, flips, p, n) for n in SIZES)] for p in TRUE_NFR],
    )
    print_table(
        "Rule: lower 95 % bound of the gain in mAP above 0; pass / inconclusive / fail",
        ["true gain", *(f"n = {n:,}" for n in SIZES)],
        [[f"{g:+.3f}", *(_gain_cell(rng, gain, g, n) for n in SIZES)] for g in TRUE_GAIN],
    )
    print_table(
        "What breaks the level: false passes at a true NFR of exactly 1 %",
        ["way of judging", "false passes"],
        _abuses(rng, flips),
    )


def _only(measurement: str, task: Task) -> Policy:
    """Return the default policy of ``task`` with the one rule on ``measurement``."""
    policy = parse_policy(DEFAULTS[task])
    rules: tuple[Rule, ...] = tuple(r for r in policy.rules if r.measurement == measurement)
    return Policy(task, policy.confidence, rules, rules, policy.coverage)


def _outcome(policy: Policy, found: Measurement) -> Outcome:
    """Judge one measurement; what the gate plants to test itself is the worst there is."""
    worst = [Planted(1.0, [_worst(found)])]
    evidence = Evidence("simulated", [found], null_test="", planted=worst)
    return assess(policy, [evidence], first_version=False).outcome


def _worst(found: Measurement) -> Measurement:
    if found.count is not None:
        return proportion(found.name, found.support, found.support, found.direction)
    levels = {repr(level): -1.0 for level in LEVELS}
    return replace(found, value=-1.0, bounds={"lower": levels, "upper": levels})


def _flip_outcomes(policy: Policy, n: int) -> dict[int, Outcome]:
    """Return the outcome of every count that matters at this n."""
    outcomes: dict[int, Outcome] = {}
    for count in range(n + 1):
        found = proportion("nfr", count, n, Direction.LOWER_IS_BETTER)
        outcomes[count] = _outcome(policy, found)
        if outcomes[count] is Outcome.FAILED:
            break
    return outcomes


def _flip_cell(rng: np.random.Generator, policy: Policy, truth: float, n: int) -> str:
    outcomes = _flip_outcomes(policy, n)
    counts = rng.binomial(n, truth, size=SIMULATED)
    return _shares([outcomes.get(int(c), Outcome.FAILED) for c in counts])


def _gain_cell(rng: np.random.Generator, policy: Policy, truth: float, n: int) -> str:
    scale = truth / (1 - SHARE_EQUAL)
    drawn = rng.normal(scale, SPREAD, size=(SIMULATED, n))
    drawn[rng.random((SIMULATED, n)) < SHARE_EQUAL] = 0.0
    outcomes = []
    for block in np.array_split(drawn, max(1, SIMULATED * n // 2_000_000)):
        measures = [
            Contributions("gain", values, Direction.HIGHER_IS_BETTER, -1.0, 1.0, "", False)
            for values in block
        ]
        seed = int(rng.integers(2**31))
        for values, found in zip(block, bounds_of_means(measures, seed=seed), strict=True):
            measured = Measurement(
                "map.new_old_minus_old_old",
                float(values.mean()),
                n,
                Direction.HIGHER_IS_BETTER,
                bounds=found.bounds,
                clusters=found.clusters,
                spread=found.spread,
            )
            outcomes.append(_outcome(policy, measured))
    return _shares(outcomes)


def _abuses(rng: np.random.Generator, policy: Policy) -> list[list[str]]:
    budget = policy.rules[0].threshold
    passes = {n: _greatest_pass(policy, n) for n in {*PEEKS, 3_000, 300}}
    samples = rng.random((SIMULATED, 3_000)) < budget
    once = samples.sum(axis=1) <= passes[3_000]
    sums = samples.cumsum(axis=1)
    peeked = np.zeros(SIMULATED, bool)
    for n in PEEKS:
        peeked |= sums[:, n - 1] <= passes[n]
    sliced = samples.reshape(SIMULATED, SLICES, -1).sum(axis=2) <= passes[300]
    rows = [
        ["once, at n = 3,000", f"{once.mean():.1%}"],
        ["looking again every 100 samples until it passes", f"{peeked.mean():.1%}"],
        [f"every one of {SLICES} slices of 300 must pass", f"{sliced.all(axis=1).mean():.1%}"],
        [f"any one of {SLICES} slices of 300 may pass", f"{sliced.any(axis=1).mean():.1%}"],
        *_alerts(samples, budget),
    ]
    for tries in TRIES:
        again = rng.binomial(3_000, budget, size=(SIMULATED, tries)) <= passes[3_000]
        rows.append(
            [f"{tries} candidates tried on one set, one passes", f"{again.any(axis=1).mean():.1%}"]
        )
    return rows


def _alerts(samples: np.ndarray, budget: float) -> list[list[str]]:
    """Return how often some slice alerts though every one is at the budget exactly."""
    counts = samples.reshape(SIMULATED, SLICES, -1).sum(axis=2)
    size = samples.shape[1] // SLICES
    p_of = {int(c): binomial_tails(int(c), size, budget)[1] for c in np.unique(counts)}
    p_values = [[p_of[int(c)] for c in row] for row in counts]
    ways = {"uncorrected": list, "Holm": holm, "Benjamini-Hochberg": benjamini_hochberg}
    return [
        [f"alert if any of {SLICES} slices regressed, {name}: false alerts", f"{share:.1%}"]
        for name, corrected in ways.items()
        for share in [np.mean([min(corrected(row)) <= 0.05 for row in p_values])]
    ]


def _greatest_pass(policy: Policy, n: int) -> int:
    outcomes = _flip_outcomes(policy, n)
    return max((c for c, o in outcomes.items() if o is Outcome.PASSED), default=-1)


def _shares(outcomes: list[Outcome]) -> str:
    kinds = (Outcome.PASSED, Outcome.INCONCLUSIVE, Outcome.FAILED)
    return " / ".join(f"{outcomes.count(kind) / len(outcomes):.1%}" for kind in kinds)


if __name__ == "__main__":
    main()
