"""Comparisons of stored outputs: arithmetic, never a second run of a model."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from compat.measurement import CODE_VERSION
from registry.core import leases
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.leases import WorkState
from registry.evaluation.models import Comparison, Outputs


@dataclass(frozen=True)
class ComparisonJob:
    """What a worker needs to compare: digests of stored bytes, and how to measure."""

    claim: leases.Claim
    task: str
    distance: str
    set_digest: str
    old_file: str
    new_file: str
    producer_file: str | None


def request_comparison(
    *, old: Outputs, new: Outputs, producer: Outputs | None = None
) -> Comparison:
    """Return the comparison of these finished outputs, queueing it when it is new."""
    with transaction.atomic():
        comparison, created = Comparison.objects.get_or_create(
            old_digest=old.version_digest,
            new_digest=new.version_digest,
            producer_digest=producer.version_digest if producer else "",
            set_digest=old.set_digest,
            code_version=CODE_VERSION,
            defaults={
                "old_outputs": old,
                "new_outputs": new,
                "producer_outputs": producer,
                "created_at": timezone.now(),
            },
        )
        if created:
            send_on_commit(TaskName.COMPARE, comparison.pk)
    return comparison


def claim(*, comparison_id: int) -> ComparisonJob | None:
    """Take the work, or return None when another worker has it or it is done."""
    taken = leases.claim(Comparison, comparison_id)
    if taken is None:
        return None
    comparison = Comparison.objects.select_related(
        "old_outputs__version",
        "new_outputs__version",
        "old_outputs__set_revision__evaluation_set",
        "producer_outputs",
    ).get(pk=comparison_id)
    producer = comparison.producer_outputs
    gallery_side = (producer or comparison.old_outputs).version
    return ComparisonJob(
        taken,
        comparison.old_outputs.set_revision.evaluation_set.task,
        gallery_side.manifest["output"].get("distance", ""),
        comparison.old_outputs.set_revision.canonical_digest,
        comparison.old_outputs.file_digest,
        comparison.new_outputs.file_digest,
        producer.file_digest if producer else None,
    )


@transaction.atomic
def record(*, job: ComparisonJob, result: dict[str, Any], samples_digest: str) -> bool:
    """Record measurements under the claim; False when the claim was lost."""
    kept = leases.finish(
        Comparison,
        job.claim,
        measurements=result["measurements"],
        null_test=result["null_test"],
        flips=result["flips"],
        flip_matrix=result["flip_matrix"],
        samples_digest=samples_digest,
        finished_at=timezone.now(),
    )
    if kept:
        send_on_commit(TaskName.ADVANCE_UPGRADES)
    return kept


@transaction.atomic
def fail(*, job: ComparisonJob, code: str, detail: str) -> bool:
    """Record that the comparison could not be made, with the reason."""
    kept = leases.fail(Comparison, job.claim, code, detail, finished_at=timezone.now())
    if kept:
        send_on_commit(TaskName.ADVANCE_UPGRADES)
    return kept


def is_settled(work: Outputs | Comparison) -> bool:
    """Whether nothing more will happen to it without somebody asking."""
    return work.work_state in {WorkState.DONE, WorkState.FAILED}
