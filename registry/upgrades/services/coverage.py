"""Which producers' vectors a query encoder may meet, by evidence that is stored now."""

from compat.policy import Policy
from compat.verdict import Evidence, Outcome, assess_coverage
from registry.catalog.models import ModelVersion
from registry.core.leases import WorkState
from registry.evaluation.models import SetRevision
from registry.evaluation.selectors import comparison_of, comparison_on_producer
from registry.upgrades.services.situation import Asked


def stored_evidence(
    policy: Policy,
    pins: tuple[SetRevision, ...],
    encoder: ModelVersion,
    producers: list[ModelVersion],
) -> dict[int, str]:
    """Return, for each covered producer id, the comparisons that cover it.

    A pair counts when it was measured on every pinned set, in whichever direction the two
    versions were compared or beside a third one, and loses no more than the policy's coverage
    margin. Nothing is asked for: what is not stored is not covered. Where ``encoder`` meets a
    producer's vectors rewritten, so it was measured, and the evidence is for those.
    """
    covered = {}
    for producer in producers:
        if policy.coverage is None or not pins or producer.digest == encoder.digest:
            continue
        found = [_measured(pin, encoder, producer) for pin in pins]
        outcomes = [
            assess_coverage(policy.coverage, policy.confidence, [evidence], [difference]).outcome
            for evidence, difference, _ in found
        ]
        if all(outcome is Outcome.PASSED for outcome in outcomes):
            covered[producer.pk] = "comparison:" + ",".join(str(pk) for _, _, pk in found)
    return covered


def _measured(
    pin: SetRevision, encoder: ModelVersion, producer: ModelVersion
) -> tuple[Evidence, str, int]:
    """Return the evidence for (encoder as query, producer as gallery), its difference, its id."""
    for comparison, difference in (
        (comparison_of(producer.digest, encoder.digest, pin.digest), "new_old_minus_old_old"),
        (comparison_of(encoder.digest, producer.digest, pin.digest), "old_new_minus_old_old"),
        (
            comparison_on_producer(encoder.digest, producer.digest, pin.digest),
            "new_producer_minus_producer_producer",
        ),
    ):
        if comparison is not None and comparison.work_state == WorkState.DONE:
            return Asked(pin, comparison).as_evidence(), difference, comparison.pk
    missing = Evidence(str(pin), missing="comparison_missing", detail="the pair was never measured")
    return missing, "new_old_minus_old_old", 0
