"""Shadow mode: a share of live queries goes to a candidate too, after their answers were sent."""

import logging
import os
import queue
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db import Error as DatabaseError
from django.db import close_old_connections
from django.http import JsonResponse
from django.utils import timezone

from registry.core.errors import RegistryError
from registry.galleries.models import Gallery
from registry.galleries.selectors import gallery_named
from registry.upgrades.services.count_shadow import Compared, Tally, count_shadow
from registry.upgrades.services.stop_shadow import end_if_over
from registry.upgrades.shadows import shadows_at_work
from registry.upgrades.would_be import Grounds, Mode, grounds_of
from workers.serving.changes import OVERLAP_AT, overlap
from workers.serving.errors import SearchError
from workers.serving.preview import Preview
from workers.serving.queries import Query

ROOM = 64
"""Sampled queries that wait (chosen: a few seconds of them); one that comes later is dropped."""

LOOK_EVERY_S = 1.0
FLUSH_EVERY_S = 3.0
"""What a crash of this process loses at most."""

GROUNDS_FOR_S = 10.0
"""How long the evidence of an upgrade is not read again."""

NOT_COMPARABLE = frozenset({"inputs_missing", "unknown_item", "upgrade_closed"})
"""Refusals that say nothing about the candidate."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Running:
    """A shadow as this process needs it."""

    shadow_id: int
    upgrade_id: int
    candidate_id: int
    share: float


@dataclass(frozen=True)
class Sampled:
    """A query that was answered to its user, to be put to a candidate."""

    shadow: Running
    gallery: str
    query: Query
    epoch: int
    ids: tuple[str, ...]
    live_ms: float


class Followed(JsonResponse):
    """An answer that is sampled once it was sent: the server closes it then."""

    def __init__(self, answer: Mapping[str, Any], follow: Any) -> None:
        super().__init__(answer)
        self._follow = follow

    def close(self) -> None:
        super().close()
        self._follow()


class Shadowing:
    """Samples queries, has candidates answer them one at a time, and counts what came of it.

    Nothing that happens here reaches a user: the queue is bounded, what finds no room in it is
    counted as dropped, and whatever goes wrong is counted as failed.
    """

    def __init__(self, preview: Preview, *, seed: int | None = None, room: int = ROOM) -> None:
        self._preview = preview
        self._random = random.Random(os.getpid() if seed is None else seed)  # noqa: S311 - a sample
        self._queue: queue.Queue[Sampled] = queue.Queue(room)
        self._running: dict[str, tuple[Running, ...]] = {}
        self._tallies: dict[int, Tally] = {}
        self._grounds: dict[int, tuple[float, Grounds]] = {}
        self._guard = threading.Lock()
        self._looked_at = self._flushed_at = float("-inf")

    def start(self) -> None:
        """Follow, in a thread of its own."""
        threading.Thread(target=self._follow, name="shadowing", daemon=True).start()

    def followed(self, name: str, query: Query, answer: Mapping[str, Any]) -> JsonResponse:
        """Return the response to a live query, which may be sampled after it was sent."""
        if name not in self._running:
            return JsonResponse(answer)
        return Followed(answer, lambda: self.offer(name, query, answer))

    def offer(self, name: str, query: Query, answer: Mapping[str, Any]) -> None:
        """Sample a query that was answered; never waits."""
        for shadow in self._running.get(name, ()):
            if self._random.random() >= shadow.share:
                continue
            ids = tuple(hit["id"] for hit in answer["hits"][:OVERLAP_AT])
            live_ms = answer["timings_ms"]["total"]
            try:
                self._queue.put_nowait(Sampled(shadow, name, query, answer["epoch"], ids, live_ms))
            except queue.Full:
                with self._guard:
                    self._tally(shadow.shadow_id).dropped += 1

    def look(self) -> None:
        """Read which shadows run; their candidates are kept warm."""
        found: dict[str, tuple[Running, ...]] = {}
        for shadow in shadows_at_work(timezone.now()):
            upgrade = shadow.upgrade
            one = Running(shadow.pk, upgrade.pk, upgrade.candidate_id, shadow.share)
            here = Gallery.objects.filter(alias=upgrade.alias_id, kind=Gallery.Kind.EMBEDDED)
            for name in here.values_list("name", flat=True):
                found[name] = (*found.get(name, ()), one)
            self._preview.keep([upgrade.candidate_id])
        self._running = found
        at_work = {one.upgrade_id for several in found.values() for one in several}
        self._grounds = {pk: held for pk, held in self._grounds.items() if pk in at_work}

    def work(self, *, wait_s: float = 0.0) -> bool:
        """Put one sampled query to its candidate; return whether there was one."""
        try:
            sampled = self._queue.get(timeout=wait_s) if wait_s else self._queue.get_nowait()
        except queue.Empty:
            return False
        outcome: Compared | str = "internal_error: the log says why"
        try:
            outcome = self._outcome(sampled)
        finally:  # whatever happens, it is counted once
            self._note(sampled.shadow.shadow_id, outcome)
        return True

    def flush(self) -> None:
        """Add what was found to the rows; what cannot be written now is kept for the next time."""
        with self._guard:
            tallies, self._tallies = self._tallies, {}
        try:
            while tallies:
                shadow_id, tally = next(iter(tallies.items()))
                count_shadow(shadow_id=shadow_id, tally=tally)
                del tallies[shadow_id]
                end_if_over(shadow_id)
        finally:
            self._keep(tallies)

    def stop(self) -> None:
        """Write what was counted, as far as the database takes it."""
        try:
            self.flush()
        except DatabaseError as exc:
            log.warning("the last figures of shadows are lost: %s", exc)

    def _follow(self) -> None:
        while True:
            try:
                close_old_connections()
                self._turn()
            except DatabaseError as exc:
                log.warning("shadows wait for the database: %s", exc)
                time.sleep(LOOK_EVERY_S)
            except Exception:  # a bug here must not end the thread, nor reach a search
                log.exception("a shadow failed")
                time.sleep(LOOK_EVERY_S)

    def _turn(self) -> None:
        now = time.monotonic()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self.look()
        if now - self._flushed_at >= FLUSH_EVERY_S:
            self._flushed_at = now
            self.flush()
        self.work(wait_s=LOOK_EVERY_S)

    def _outcome(self, sampled: Sampled) -> Compared | str:
        """Return what came of a query: figures, the reason of a failure, or nothing to compare."""
        try:
            return self._compared(sampled) or ""
        except SearchError as exc:
            return "" if exc.code in NOT_COMPARABLE else str(exc)
        except RegistryError as exc:
            return "" if exc.code in NOT_COMPARABLE else f"{exc.code}: {exc}"
        except DatabaseError as exc:
            return f"database_unavailable: {type(exc).__name__}"

    def _compared(self, sampled: Sampled) -> Compared | None:
        query = self._encodable(sampled)
        if query is None:
            return None
        grounds = self._grounds_of(sampled.shadow)
        if not grounds.verdict_stands:
            return None  # without its evidence it would be another view than is to be promoted
        live, other = self._preview.would_be(sampled.gallery, grounds)
        if live.epoch != sampled.epoch or other.mode is Mode.NOTHING:
            return None
        found = self._preview.answer(other.view, query, sampled.query.item_id)
        ids = [hit["id"] for hit in found["hits"][:OVERLAP_AT]]
        shared = overlap(sampled.ids, ids)
        if shared is None:
            return None
        took = found["timings_ms"]["total"]
        return Compared(shared, list(sampled.ids[:1]) == ids[:1], sampled.live_ms, took)

    def _encodable(self, sampled: Sampled) -> Query | None:
        """Return the query with its input; None for vectors, which are of one version."""
        query = sampled.query
        if query.item_id:
            gallery = gallery_named(sampled.gallery)
            sample = self._preview.samples.of_item(gallery.pk, gallery.name, query.item_id)
            return replace(query, item_id="", sample=sample.values)
        return query if query.sample is not None else None

    def _grounds_of(self, shadow: Running) -> Grounds:
        read_at, held = self._grounds.get(shadow.upgrade_id, (float("-inf"), None))
        if held is None or time.monotonic() - read_at > GROUNDS_FOR_S:
            held = grounds_of(shadow.upgrade_id)
            self._grounds[shadow.upgrade_id] = time.monotonic(), held
        return held

    def _note(self, shadow_id: int, outcome: Compared | str) -> None:
        with self._guard:
            tally = self._tally(shadow_id)
            if isinstance(outcome, Compared):
                tally.compared.append(outcome)
            elif outcome:
                tally.failed, tally.last_failure = tally.failed + 1, outcome
            else:
                tally.not_comparable += 1

    def _tally(self, shadow_id: int) -> Tally:
        return self._tallies.setdefault(shadow_id, Tally())

    def _keep(self, tallies: Mapping[int, Tally]) -> None:
        """Put back what was not written, beside what was found meanwhile."""
        with self._guard:
            for shadow_id, tally in tallies.items():
                self._tally(shadow_id).add(tally)
