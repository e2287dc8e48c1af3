"""One search: the live pointer resolved once, every segment queried as its view says."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from registry.catalog.models import ModelVersion
from registry.core.errors import UnknownObjectError
from registry.galleries.selectors import (
    LivePointer,
    LiveSegment,
    LiveView,
    LookedUp,
    Place,
    live_item,
    live_pointer,
    look_up,
    places_where,
    view_plan,
)
from workers.errors import PermanentError
from workers.indexing.conditions import comparable, require_vectors
from workers.indexing.protocol import Distance, Vectors
from workers.serving.encoders import Encoders
from workers.serving.errors import SearchError
from workers.serving.published import told_as_unavailable
from workers.serving.queries import Query
from workers.serving.segments import Loaded, Rows, Segments

PLANS_KEPT = 256
"""Views whose plan is not read again; a view never changes."""


TRIES = 4
"""Answers that are made at most: the last one stands, as a backfill takes a second for a step."""


@dataclass(frozen=True)
class Probe:
    """A query as a vector of one space.

    Attributes:
        vector: (1, D) float32, comparable under ``distance``.
        producer: the version that made it.
        distance: how vectors of that version are compared.
        itself: segment id and row of the item that it is, or None.
    """

    vector: Vectors
    producer: str
    distance: Distance
    itself: tuple[int, int] | None = None


@dataclass
class Stopwatch:
    """How long each step took."""

    laps: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    last: float = field(default_factory=time.perf_counter)

    def lap(self, name: str) -> None:
        """Note the time since the lap before."""
        now = time.perf_counter()
        self.laps[name], self.last = _ms(now - self.last), now

    def all(self) -> dict[str, float]:
        """Return the laps and their total, in milliseconds."""
        return self.laps | {"total": _ms(time.perf_counter() - self.started)}


class Search:
    """Answers queries from the segments and encoders that this process keeps."""

    def __init__(self, segments: Segments, encoders: Encoders) -> None:
        self.segments = segments
        self.encoders = encoders
        self._plan = lru_cache(PLANS_KEPT)(view_plan)

    def answer(self, gallery: str, query: Query) -> dict[str, Any]:
        """Return the hits of ``query`` under the epoch of this moment, and what was not searched.

        An item that is removed while this runs is left out, so there may be fewer than k hits. One
        that a backfill moves is not: then the answer is made again.

        Raises:
            SearchError: see ``errors.STATUS`` and ``queries.parse``.
        """
        for tries_left in reversed(range(TRIES)):
            watch = Stopwatch()
            view = self.resolved(gallery)
            watch.lap("resolve")
            try:
                answer, is_whole = self._under(view, query, watch)
            except SearchError:
                if not tries_left or self.stands(view):
                    raise
            else:
                if not tries_left or is_whole:
                    break
        return answer

    def stands(self, view: LiveView) -> bool:
        """Whether no item can have left a segment of ``view`` since it was resolved."""
        return _stood(view, look_up([], _ids(view)))

    def under(self, view: LiveView, query: Query, watch: Stopwatch) -> dict[str, Any]:
        """Return the answer to ``query`` under one view, whether or not it is live."""
        return self._under(view, query, watch)[0]

    def _under(self, view: LiveView, query: Query, watch: Stopwatch) -> tuple[dict[str, Any], bool]:
        """Return the answer, and whether ``view`` stood when its hits were looked up."""
        probes = self._probes(view, query)
        watch.lap("encode")
        searched, skipped = allotted(view, probes)
        loaded = [self.segments.current(view.gallery_id, segment) for segment, _ in searched]
        watch.lap("load")
        found = _found(loaded, searched, query.k, query.where)
        watch.lap("search")
        best = found.best(query.k)
        looked_up = look_up(list(best), _ids(view))
        hits = found.hits(best, looked_up.names, query.k)
        watch.lap("look_up")
        answer = {
            "gallery": view.gallery,
            "epoch": view.epoch,
            "view": view.view,
            "encoder": str(view.encoder),
            "merged_by": "calibrated" if found.is_calibrated else "score",
            "hits": hits,
            "skipped": skipped + list(_not_embedded_yet(searched, loaded)),
            "timings_ms": watch.all(),
        }
        return answer, _stood(view, looked_up)

    def resolved(self, gallery: str) -> LiveView:
        """Return the live view of a gallery; of it one request uses nothing newer.

        Raises:
            SearchError: ``unknown_gallery``.
        """
        pointer = self._pointer(gallery)
        return self._plan(pointer.view_id).at(pointer)

    def _pointer(self, gallery: str) -> LivePointer:
        try:
            return live_pointer(gallery)
        except UnknownObjectError as exc:
            raise SearchError(exc.code, str(exc)) from exc

    def _probes(self, view: LiveView, query: Query) -> list[Probe]:
        """Return the query as a vector of each version that asks under this view."""
        if query.item_id:
            return [self._probe_of_item(view, query.item_id)]
        if query.sample is not None:
            asking = view.encoders.values()
            return [_probe(v, self.encoders.encode(v, query.sample)) for v in asking]
        known = {str(version): version for version in view.encoders.values()}
        if unknown := sorted(set(query.vectors) - set(known)):
            raise SearchError(
                "wrong_producer",
                f"{view.gallery} is searched with vectors of {', '.join(sorted(known))}, "
                f"not of {unknown[0]}",
            )
        return [_probe(known[name], vector) for name, vector in query.vectors.items()]

    def _probe_of_item(self, view: LiveView, item_id: str) -> Probe:
        item = live_item(view.gallery_id, item_id)
        if item is None:
            raise SearchError("unknown_item", f"no item {item_id} in {view.gallery}")
        segment = next((s for s in view.segments if s.segment_id == item.segment_id), None)
        if segment is None or not segment.searchable:
            raise SearchError(
                "item_not_searchable", f"the live view does not search the segment of {item_id}"
            )
        loaded = self.segments.current(view.gallery_id, segment)
        rows = loaded.rows_at([(item.batch_id, item.row)])
        if not len(rows) and segment.twins_by:
            raise SearchError("item_not_searchable", f"{item_id} is not embedded again yet")
        if not len(rows):  # it came after the pointer was resolved
            raise SearchError("unknown_item", f"no item {item_id} in {view.gallery}")
        row = int(rows[0])
        with told_as_unavailable(segment):
            vector = loaded.index.vector(row)[None]
        return Probe(
            vector,
            segment.producer,
            Distance(segment.distance),
            (segment.segment_id, row),
        )


@dataclass(frozen=True)
class Found:
    """What the segments found, not yet known to be items.

    Attributes:
        scores: (m,) float32, in any order.
        merits: (m,) float32, by which hits are put in order: the scores, calibrated or as they are.
        is_calibrated: which of the two.
        numbers: (m,) index into ``segments`` and ``loaded``.
        rows: (m,) row in that segment.
    """

    segments: list[LiveSegment]
    loaded: list[Loaded]
    scores: np.ndarray
    merits: np.ndarray
    is_calibrated: bool
    numbers: Rows
    rows: Rows

    def best(self, k: int) -> dict[Place, int]:
        """Return where the best k lie, and all that tie with the last one: ids decide there."""
        chosen = np.argsort(-self.merits, kind="stable")
        if len(chosen) > k:
            last = self.merits[chosen[k - 1]]
            chosen = chosen[: np.count_nonzero(self.merits >= last)]
        places: dict[Place, int] = {}
        for number in np.unique(self.numbers[chosen]):
            mine = chosen[self.numbers[chosen] == number]
            places |= zip(self.loaded[number].places(self.rows[mine]), mine.tolist(), strict=True)
        return places

    def hits(
        self, best: Mapping[Place, int], names: Mapping[Place, str], k: int
    ) -> list[dict[str, Any]]:
        """Return the first k of ``best`` that are items now; equal ones by external id."""
        hits = [self._hit(best[place], external_id) for place, external_id in names.items()]
        by = "calibrated" if self.is_calibrated else "score"
        return sorted(hits, key=lambda hit: (-hit[by], hit["id"]))[:k]

    def _hit(self, candidate: int, external_id: str) -> dict[str, Any]:
        segment = self.segments[self.numbers[candidate]]
        return {
            "id": external_id,
            "score": float(self.scores[candidate]),
            "calibrated": float(self.merits[candidate]) if self.is_calibrated else None,
            "segment": segment.number,
            "producer": segment.producer,
        }


def _stood(view: LiveView, now: LookedUp) -> bool:
    """Whether no item had left a segment of ``view`` when its gallery was as ``now`` says.

    To the last segment items come, and what leaves it was removed; but since a cutover items may
    be moved out of that one too.
    """
    is_open = now.epoch == view.epoch
    held = view.segments[:-1] if is_open else view.segments
    return all(now.revisions.get(one.segment_id) == one.revision for one in held)


def _ids(view: LiveView) -> list[int]:
    return [segment.segment_id for segment in view.segments]


def allotted(
    view: LiveView, probes: Sequence[Probe]
) -> tuple[list[tuple[LiveSegment, Probe]], list[dict[str, Any]]]:
    """Return each segment with the probe that it may meet, and why the others are skipped.

    Segments without a live item appear in neither.
    """
    searched, skipped = [], []
    for segment in view.segments:
        if not segment.live_items:
            continue
        probe = _probe_for(segment, probes)
        reason = _reason_to_skip(segment, probe)
        if probe is not None and not reason:
            searched.append((segment, probe))
        else:
            skipped.append(
                {
                    "segment": segment.number,
                    "producer": segment.producer,
                    "items": segment.live_items,
                    "reason": reason,
                }
            )
    return searched, skipped


def _not_embedded_yet(
    searched: Sequence[tuple[LiveSegment, Probe]], loaded: Sequence[Loaded]
) -> Iterator[dict[str, Any]]:
    """Yield the segments of which the version that asks has not embedded every item as well."""
    for (segment, _), held in zip(searched, loaded, strict=True):
        missing = segment.live_items - held.live_rows if segment.twins_by else 0
        if missing > 0:
            yield {
                "segment": segment.number,
                "producer": segment.producer,
                "items": missing,
                "reason": "not_embedded_yet",
            }


def _probe_for(segment: LiveSegment, probes: Sequence[Probe]) -> Probe | None:
    """Return the probe of the version that the view has ask, or else one of the same space.

    The evidence of a view is about queries of that version. A vector of another one meets the
    segments of its own version only.
    """
    by_producer = {probe.producer: probe for probe in probes}
    return by_producer.get(str(segment.encoder)) or by_producer.get(segment.producer)


def _reason_to_skip(segment: LiveSegment, probe: Probe | None) -> str:
    """Return why ``segment`` must not be searched with ``probe``, or nothing."""
    if not segment.searchable:
        return "no_evidence"
    if probe is None:
        return "other_space"
    if segment.dimension != probe.vector.shape[1]:
        return "other_dimension"
    if segment.distance != probe.distance:
        return "other_distance"
    return ""


def _probe(version: ModelVersion, vector: Vectors) -> Probe:
    output = version.manifest["output"]
    distance = Distance(output["distance"])
    return Probe(_ready(vector, output["dimension"], distance), str(version), distance)


def _ready(vector: Vectors, dimension: int, distance: Distance) -> Vectors:
    try:
        vector = comparable(vector, distance)
        require_vectors(vector, dimension, distance)
    except PermanentError as exc:
        raise SearchError(exc.code, exc.detail) from exc
    return vector


def _found(
    loaded: list[Loaded],
    searched: Sequence[tuple[LiveSegment, Probe]],
    k: int,
    where: Mapping[str, Any],
) -> Found:
    """Search every segment; where several versions ask, what is compared is calibrated.

    Raises:
        SearchError: ``not_calibrated``: scores of different versions would be mixed as they are.
    """
    calibrated = len({probe.producer for _, probe in searched}) > 1
    scores, merits, numbers, rows = [], [], [], []
    for number, (held, (segment, probe)) in enumerate(zip(loaded, searched, strict=True)):
        is_home = probe.itself is not None and probe.itself[0] == segment.segment_id
        among = places_where(segment.segment_id, where) if where else None
        with told_as_unavailable(segment):
            near, near_rows = held.nearest(probe.vector, k + is_home, among)
        if is_home:  # a query never meets itself
            others = near_rows != probe.itself[1]
            near, near_rows = near[others][:k], near_rows[others][:k]
        scores.append(near)
        merits.append(_merits(segment, near) if calibrated else near)
        rows.append(near_rows)
        numbers.append(np.full(len(near), number))
    return Found(
        [segment for segment, _ in searched],
        loaded,
        np.concatenate([np.empty(0, np.float32), *scores]),
        np.concatenate([np.empty(0, np.float32), *merits]),
        calibrated,
        np.concatenate([np.empty(0, np.int64), *numbers]),
        np.concatenate([np.empty(0, np.int64), *rows]),
    )


def _merits(segment: LiveSegment, scores: np.ndarray) -> np.ndarray:
    calibration = segment.calibration
    if calibration is None:
        raise SearchError("not_calibrated", f"segment {segment.number} has no calibration")
    return ((scores - calibration.mean) / calibration.spread).astype(np.float32)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
