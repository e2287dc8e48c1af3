"""Stored samples that can be asked with, and the labels of what may be found."""

import base64
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from registry.core.data import artifact_store
from registry.core.errors import RegistryError
from registry.evaluation.models import SetRevision
from registry.galleries.selectors import input_of, inputs_by_upload, live_item
from workers.errors import PermanentError, TransientError
from workers.pipelines.aligned import read_set
from workers.pipelines.pick_inputs import INPUTS_FILE
from workers.runners.folders import held_folder
from workers.runners.process import Limits, run_child
from workers.serving.errors import SearchError

KEPT = 128
"""Samples that are not read again (chosen: of 3 x 224 x 224 float32 they take 77 MB)."""

SETS_KEPT = 4
"""Sets whose ids and labels are not read again."""

READ_WITHIN_S = 10.0
"""Of one file: a request reads three at most, which is less than the web process waits."""

UPLOADS_READ = 2
MOST_PICTURES = 40

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sample:
    """One stored input.

    Attributes:
        values: (1, ...) uint8 or float32.
        picture: a PNG as a ``data:`` address, or nothing.
    """

    values: NDArray[np.generic]
    picture: str


@dataclass(frozen=True)
class Labels:
    """What a set says of its samples.

    Attributes:
        ids: (n,) in the order of the set.
        labels: (n,) class names.
        is_query, is_gallery: (n,) bool.
        order: (n,) rows by id.
    """

    ids: NDArray[np.str_]
    labels: NDArray[np.str_]
    is_query: NDArray[np.bool_]
    is_gallery: NDArray[np.bool_]
    order: NDArray[np.int64]

    def row(self, sample_id: str) -> int | None:
        """Return the row of a sample, or None."""
        at = int(np.searchsorted(self.ids, sample_id, sorter=self.order))
        if at == len(self.order) or self.ids[self.order[at]] != sample_id:
            return None
        return int(self.order[at])

    def of(self, sample_id: str) -> str | None:
        """Return the label of a sample, or None where the set has none of that id."""
        row = self.row(sample_id)
        return None if row is None else str(self.labels[row])


class Samples:
    """Reads stored inputs in a child process, and keeps those that were read last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], Sample] = OrderedDict()
        self.labels = lru_cache(SETS_KEPT)(_labels)

    def of_item(self, gallery_id: int, gallery: str, external_id: str) -> Sample:
        """Return the input of an item.

        Raises:
            SearchError: ``unknown_item``, ``inputs_missing`` or ``input_unavailable``.
        """
        item = live_item(gallery_id, external_id)
        if item is None:
            raise SearchError("unknown_item", f"no item {external_id} in {gallery}")
        place = input_of(item.pk)
        if place is None:
            raise SearchError(
                "inputs_missing", f"{external_id} came as a vector: nothing can embed it again"
            )
        return self._of(place[0], "upload", [place[1]])[0]

    def of_set(self, revision: SetRevision, rows: Sequence[int]) -> list[Sample]:
        """Return some samples of a set.

        Raises:
            SearchError: ``input_unavailable``.
        """
        return self._of(revision.canonical_digest, "set", rows)

    def pictures(self, gallery_id: int, external_ids: Sequence[str]) -> dict[str, str]:
        """Return the pictures of items whose inputs are stored, by id, as far as they can be had.

        Nothing depends on them: what cannot be read has none. The uploads with the most of these
        items are read, each by one child.
        """
        found: dict[str, str] = {}
        by_upload = inputs_by_upload(gallery_id, external_ids[:MOST_PICTURES])
        for upload, rows in by_upload[:UPLOADS_READ]:
            try:
                samples = self._of(upload, "upload", list(rows.values()))
            except SearchError as exc:
                log.warning("no pictures of upload %s: %s", upload[:12], exc)
                continue
            found |= {name: s.picture for name, s in zip(rows, samples, strict=True)}
        return found

    def _of(self, digest: str, kind: str, rows: Sequence[int]) -> list[Sample]:
        found = {row: self._kept.get((digest, row)) for row in rows}
        missing = [row for row, sample in found.items() if sample is None]
        if missing:
            read = dict(zip(missing, _read(digest, kind, missing), strict=True))
            found |= read
            for row, sample in read.items():
                self._kept[digest, row] = sample
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return [sample for row in rows if (sample := found[row]) is not None]


def _read(digest: str, kind: str, rows: Sequence[int]) -> list[Sample]:
    limits = Limits(
        memory_bytes=settings.CHILD_MEMORY_BYTES, cpu_s=60, wall_s=READ_WITHIN_S, file_bytes=2**30
    )
    try:
        with held_folder("samples") as folder:
            job = {
                "source": str(artifact_store().verified_path(digest)),
                "kind": kind,
                "rows": rows,
            }
            run_child("workers.pipelines.pick_inputs", job, folder=folder, limits=limits)
            values = np.load(folder / INPUTS_FILE, allow_pickle=False)
            return [
                Sample(values[at : at + 1], _picture(folder / "thumbnails" / f"{row}.png"))
                for at, row in enumerate(rows)
            ]
    except TransientError as exc:
        raise SearchError("busy", str(exc)) from exc
    except (PermanentError, RegistryError) as exc:
        raise SearchError("input_unavailable", f"{exc.code}: {exc}") from exc


def _picture(path: Path) -> str:
    if not path.is_file():
        return ""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _labels(canonical_digest: str) -> Labels:
    try:
        held = read_set(artifact_store().verified_path(canonical_digest))
    except (PermanentError, RegistryError) as exc:
        raise SearchError("input_unavailable", f"{exc.code}: {exc}") from exc
    return Labels(
        held.ids, held.classes[held.labels], held.is_query, held.is_gallery, np.argsort(held.ids)
    )
