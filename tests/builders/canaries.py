"""Canaries, checks as a worker records them, and alarms; every default is valid."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from compat.drift import TOLERANCE
from registry.catalog.models import Alias, ModelVersion
from registry.galleries.models import CanaryCheck, CanarySet, DriftAlarm, Gallery
from registry.galleries.services import check_canaries as checks
from registry.galleries.services import hand_in_canaries as handing_in
from registry.galleries.services.attach import Attachment
from registry.galleries.services.create_gallery import create_gallery
from tests.builders import registry as make
from tests.builders import toy

WHERE = "opensearch://search-eu/faces"


def an_attached_gallery(alias: Alias | None = None, *, items: int = 12_000) -> Gallery:
    """Return an attached gallery whose items the serving version made."""
    if alias is None:
        alias = make.an_alias(make.a_model(task="embedding"))
        make.a_promoted_upgrade(alias)
    held = [(alias.version, items)] if items else []
    return create_gallery(
        name=make.a_name("gallery"),
        alias=alias,
        actor=make.a_user(),
        attachment=Attachment(WHERE, held),
    )


def vectors_of(kind: str, inputs: np.ndarray) -> np.ndarray:
    """Return what an encoder of the toy world makes of inputs, reckoned without running it."""
    noise = {"old": 0.9, "compatible": 0.15}[kind]
    made = inputs * np.array([1.0] * toy.SIDE + [noise] * toy.SIDE)
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def an_upload(kind: str = "old", rows: int = 8, **columns: np.ndarray) -> bytes:
    """Return canaries whose vectors an encoder of the toy world made."""
    inputs = toy.samples(rows, 7)[0]
    made = {
        "id": toy.ids(rows, "canary"),
        "input": inputs,
        "vector": vectors_of(kind, inputs),
    }
    return toy.npz(**made | columns)


def hand_in(gallery: Gallery, upload: bytes = b"", *, number: int = 1, **changes: Any) -> CanarySet:
    """Hand canaries in; no worker has looked into them yet."""
    values = {
        "gallery": gallery,
        "number": number,
        "upload": make.an_artifact(upload, kind=make.Upload.TABLE),
        "actor": gallery.created_by,
    }
    return handing_in.hand_in_canaries(**values | changes)


def accept(handed_in: CanarySet, rows: int = 8) -> CanarySet:
    """Accept canaries as a worker does that found nothing wrong with them."""
    job = handing_in.claim(set_id=handed_in.pk)
    assert job is not None
    assert handing_in.accept(job=job, rows=rows)
    handed_in.refresh_from_db()
    return handed_in


def with_canaries(gallery: Gallery | None = None, *, number: int = 1) -> Gallery:
    """Return an attached gallery with accepted canaries for one segment, not checked yet."""
    gallery = gallery or an_attached_gallery()
    accept(hand_in(gallery, number=number))
    return gallery


def a_result(segment: Any, *, outcome: str = "matches", of: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a worker records of one segment."""
    result = {
        "segment": segment.number,
        "producer": str(segment.producer),
        "handed_in": None,
        "outcome": outcome,
        "code": "",
        "detail": "",
        "items": 0,
        "worst": None,
    }
    if outcome == "errored":
        return result | {"code": "run_failed", "detail": "the graph failed"}
    if outcome == "unchecked":
        return result | {"code": "no_canaries", "detail": "it has none"}
    over = 8 if outcome == "differs" else 0
    others = [{"version": v, "matching": over, "of": over, "note": ""} for v in of]
    return result | {
        "items": 8,
        "undefined": 0,
        "over": over,
        "worst": 0.25 if over else 3e-13,
        "worst_row": 2,
        "worst_id": "canary-0002",
        "tolerance": TOLERANCE,
        "others": others,
        "of": list(of),
    }


def check(gallery: Gallery, outcome: str = "matches", *, of: Sequence[str] = ()) -> CanaryCheck:
    """Check a gallery as a worker does, with one finding for all segments that have canaries."""
    asked = checks.request_check(gallery=gallery, actor=gallery.created_by)
    job = checks.claim(check_id=asked.pk)
    assert job is not None
    results = [
        a_result(one.segment, outcome="unchecked" if one.is_empty else outcome, of=of)
        for one in job.segments
    ]
    assert checks.record(job=job, results=results)
    asked.refresh_from_db()
    return asked


def an_alarm(gallery: Gallery | None = None, *, of: Sequence[str] = ()) -> DriftAlarm:
    """Return the open alarm of a gallery whose canaries differ."""
    gallery = gallery or with_canaries()
    check(gallery, "differs", of=of)
    return gallery.drift_alarms.get(state=DriftAlarm.State.OPEN)


def versions_of(alias: Alias) -> list[ModelVersion]:
    """Return the versions of an alias's model by number."""
    return list(alias.model.versions.order_by("number"))
