"""Comparisons of stored outputs: arithmetic, never a second run of a model."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from compat.measurement import CODE_VERSION
from registry.audit.chain import canonical
from registry.core import leases
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.leases import WorkState
from registry.evaluation.models import Comparison, Outputs


@dataclass(frozen=True)
class ComparisonJob:
    """What a worker needs to compare: digests of stored bytes, and how to measure.

    The artifacts are run only where ``asks`` wants their cost; None where outputs were recorded.
    """

    claim: leases.Claim
    task: str
    distance: str
    set_digest: str
    old_file: str
    new_file: str
    producer_file: str | None
    ancestor_files: tuple[str, ...]
    rewritten_files: dict[str, str]
    asks: dict[str, Any]
    old_manifest: dict[str, Any]
    new_manifest: dict[str, Any]
    old_artifact: str | None
    new_artifact: str | None


def request_comparison(
    *,
    old: Outputs,
    new: Outputs,
    producer: Outputs | None = None,
    ancestors: Sequence[Outputs] = (),
    asks: Mapping[str, Any] | None = None,
    rewritten: Mapping[str, Outputs] | None = None,
) -> Comparison:
    """Return the comparison of these finished outputs, queueing it when it is new.

    ``ancestors`` may hold ``old`` itself; without any the cumulative measures are not made.
    ``rewritten`` holds, by cell, what its queries meet in place of the gallery version's outputs:
    it follows from the digests of the two, and so is no part of what tells comparisons apart.
    """
    earlier = sorted({row.version_digest: row for row in ancestors}.items())
    with transaction.atomic():
        comparison, created = Comparison.objects.get_or_create(
            old_digest=old.version_digest,
            new_digest=new.version_digest,
            producer_digest=producer.version_digest if producer else "",
            set_digest=old.set_digest,
            code_version=CODE_VERSION,
            asks_digest=_sha256(canonical(asks)) if asks else "",
            ancestors_digest=_sha256(",".join(digest for digest, _ in earlier)) if earlier else "",
            defaults={
                "old_outputs": old,
                "new_outputs": new,
                "producer_outputs": producer,
                "asks": dict(asks or {}),
                "ancestors": [row.pk for _, row in earlier],
                "rewritten": {cell: row.pk for cell, row in (rewritten or {}).items()},
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
        "producer_outputs__version",
    ).get(pk=comparison_id)
    old, new, producer = (
        comparison.old_outputs,
        comparison.new_outputs,
        comparison.producer_outputs,
    )
    files = Outputs.objects.in_bulk([*comparison.ancestors, *comparison.rewritten.values()])
    return ComparisonJob(
        claim=taken,
        task=old.set_revision.evaluation_set.task,
        distance=(producer or old).version.manifest["output"].get("distance", ""),
        set_digest=old.set_revision.canonical_digest,
        old_file=old.file_digest,
        new_file=new.file_digest,
        producer_file=producer.file_digest if producer else None,
        ancestor_files=tuple(files[pk].file_digest for pk in comparison.ancestors),
        rewritten_files={cell: files[pk].file_digest for cell, pk in comparison.rewritten.items()},
        asks=comparison.asks,
        old_manifest=old.version.manifest,
        new_manifest=new.version.manifest,
        old_artifact=old.version.artifact_id,
        new_artifact=new.version.artifact_id,
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
        planted=result["planted"],
        chance=result["chance"],
        calibration=result["calibration"],
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


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
