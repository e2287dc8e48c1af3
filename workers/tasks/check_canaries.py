"""Compare the canaries of a gallery with what the claimed encoders make of them now."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from celery import shared_task
from django.conf import settings

from compat.drift import DriftOutcome
from registry.catalog.models import ModelVersion
from registry.core.dispatch import TaskName
from registry.core.errors import ConflictError, RegistryError
from registry.galleries.canaries import Drawn, SegmentCanaries
from registry.galleries.models import CanaryCheck
from registry.galleries.services import check_canaries as checks
from registry.galleries.services.insert import segment_store
from workers.errors import PermanentError, TransientError
from workers.tasks.work import Workplace, stored, workplace


@shared_task(name=TaskName.CHECK_CANARIES.value, acks_late=True, ignore_result=True)
def check_canaries(check_id: int) -> None:
    """Check every segment by itself; what goes wrong with one says nothing of the others."""
    job = checks.claim(check_id=check_id)
    if job is None:
        return
    try:
        with workplace(CanaryCheck, job.claim) as place:
            results = [_result(place, job, one) for one in job.segments]
        checks.record(job=job, results=results)
    except PermanentError as exc:
        checks.fail(job=job, code=exc.code, detail=exc.detail)
    except (TransientError, ConflictError):
        checks.release(job=job)


def _result(place: Workplace, job: checks.CheckJob, one: SegmentCanaries) -> dict[str, Any]:
    """Return what the canaries of a segment say, or why they say nothing."""
    about = {
        "segment": one.segment.number,
        "producer": str(one.segment.producer),
        "handed_in": one.set_id,
    }
    if one.is_empty:
        return about | _without("unchecked", "no_canaries", "it has none")
    try:
        found = _compared(place, job, one)
    except (PermanentError, RegistryError) as exc:
        return about | _without(DriftOutcome.ERRORED.value, exc.code, str(exc)[:300])
    return about | {"code": "", "detail": ""} | found


def _without(outcome: str, code: str, detail: str) -> dict[str, Any]:
    return {"outcome": outcome, "code": code, "detail": detail, "items": 0, "worst": None}


def _compared(place: Workplace, job: checks.CheckJob, one: SegmentCanaries) -> dict[str, Any]:
    producer = one.segment.producer
    if producer.artifact_id is None:
        raise PermanentError("encoder_without_weights", "recorded outputs embed nothing new")
    canaries = (
        {"table": stored(one.table_digest)}
        if one.set_id is not None
        else _items(job.gallery_id, one.segment.pk, one.drawn)
    )
    return place.run(
        "workers.pipelines.check_canaries",
        **_runnable(producer),
        **canaries,
        device=settings.COMPUTE_DEVICE,
        tolerance=one.tolerance,
        others=[
            {"version": str(other), **_runnable(other)} for other in job.suspects[one.segment.pk]
        ],
    )


def _runnable(version: ModelVersion) -> dict[str, Any]:
    return {"artifact": stored(version.artifact_id), "manifest": version.manifest}


def _items(gallery_id: int, segment_id: int, drawn: Sequence[Drawn]) -> dict[str, Any]:
    """Return where inputs and vectors of items lie, upload by upload."""
    items = sorted(drawn, key=lambda item: (item.upload_digest, item.input_row))
    digests = sorted({item.chunk_digest for item in items})
    files = segment_store(gallery_id, segment_id)
    return {
        "ids": [item.external_id for item in items],
        "sources": [
            {"upload": stored(upload), "rows": [item.input_row for item in wanted]}
            for upload, wanted in groupby(items, key=lambda item: item.upload_digest)
        ],
        "chunks": [str(files.path(digest)) for digest in digests],
        "places": [(digests.index(item.chunk_digest), item.row) for item in items],
    }
