"""Has segments and encoders ready before they are asked for, and lets go of what is past.

Beside what the live views name these are the encoders that a promotion or a rollback may bring.
"""

import logging
import threading
import time
from collections.abc import Iterable

from django.db import Error as DatabaseError
from django.db import close_old_connections

from registry.catalog.models import ModelVersion
from registry.galleries.selectors import LiveSegment, LiveView, index_digests, live_epochs
from registry.upgrades.expected import expected_encoders
from workers.serving.errors import SearchError
from workers.serving.notices import Notices
from workers.serving.search import Search

LOOK_EVERY_S = 1.0
"""How long a cutover that was not announced may go unnoticed by this thread; requests see it at
once."""

RETRY_AFTER_S = 30.0
"""After how long a gallery that could not be prepared is tried again (chosen)."""

CANDIDATES = 2
"""Candidates of one alias that are kept warm, beside the former encoder (chosen: each takes the
memory of one child)."""

KEPT_S = 120.0
"""How long an encoder that only a preview asked stays warm (chosen)."""

log = logging.getLogger(__name__)


class Preparation:
    """Follows the live pointers of all galleries.

    Attributes:
        is_ready: every gallery was looked at once.
        problems: by gallery, why it could not be prepared.
    """

    def __init__(self, search: Search) -> None:
        self.is_ready = False
        self.problems: dict[str, SearchError] = {}
        self._looked_at = time.monotonic()
        self._search = search
        self._notices = Notices()
        self._views: dict[str, LiveView] = {}
        self._retry_at: dict[str, float] = {}
        self._wanted: set[int] = set()
        self._kept: set[int] = set()
        self._warmed: set[int] = set()
        self._cold_until: dict[int, float] = {}
        self._kept_until: dict[int, float] = {}

    def start(self) -> None:
        """Look again and again, in a thread of its own."""
        threading.Thread(target=self._follow, name="preparation", daemon=True).start()

    def look(self) -> None:
        """Prepare every gallery whose pointer moved since the last look; warm one more encoder."""
        moved = False
        for name, epoch in live_epochs().items():
            known = self._views.get(name)
            is_late = time.monotonic() >= self._retry_at.get(name, float("inf"))
            if known is None or known.epoch != epoch or is_late:
                self._prepare(name)
                moved = True
        if moved:
            views = self._views.values()
            self._search.segments.keep_only({s.key for v in views for s in v.segments})
        expected = expected_encoders(candidates_per_alias=CANDIDATES)
        self._let_go({version.pk for version in expected})
        self.is_ready = True
        self._adopt_indexes()
        self._warm_one_of(expected)
        self._looked_at = time.monotonic()

    def epochs(self) -> dict[str, int]:
        """Return the epoch of every gallery as it was last looked at."""
        return {name: view.epoch for name, view in self._views.copy().items()}

    def seconds_since_look(self) -> float:
        """Return the time since a look came to its end, or since the start."""
        return time.monotonic() - self._looked_at

    def look_and_wait(self) -> None:
        """Look, then wait until a cutover is announced or the next look is due."""
        try:
            close_old_connections()
            self.look()
        except DatabaseError as exc:
            log.warning("the galleries cannot be looked at: %s", exc)
        self._notices.wait(LOOK_EVERY_S)

    def keep(self, version_ids: Iterable[int]) -> None:
        """Do not end these encoders for a while: a preview used them and may soon again."""
        until = time.monotonic() + KEPT_S
        self._kept_until |= dict.fromkeys(version_ids, until)

    def _follow(self) -> None:
        while True:
            self.look_and_wait()

    def _prepare(self, name: str) -> None:
        view = self._views[name] = self._search.resolved(name)
        try:
            for segment in view.segments:
                if segment.searchable and segment.live_items:
                    self._search.segments.current(view.gallery_id, segment)
            for encoder in view.encoders.values():
                if not encoder.is_recorded:
                    self._search.encoders.warm(encoder)
        except SearchError as exc:
            log.error("gallery %s is not ready: %s", name, exc)
            self.problems[name] = exc
            self._retry_at[name] = time.monotonic() + RETRY_AFTER_S
        else:
            self.problems.pop(name, None)
            self._retry_at.pop(name, None)

    def _adopt_indexes(self) -> None:
        """Map what was indexed since it was read; searches go on meanwhile."""
        held, published = self._search.segments.held_indexes(), index_digests()
        for name, view in self._views.items():
            stale = [
                s.segment_id
                for s in view.segments
                if not s.twins_by
                and held.get(s.segment_id) not in {None, published.get(s.segment_id, "")}
            ]
            if not stale:
                continue
            view = self._search.resolved(name)
            for segment in view.segments:
                if segment.segment_id in stale and not segment.twins_by:
                    self._adopt(view, segment)

    def _adopt(self, view: LiveView, segment: LiveSegment) -> None:
        try:
            self._search.segments.adopt_index(view.gallery_id, segment)
        except SearchError as exc:
            log.error("an index of %s cannot be used: %s", view.gallery, exc)

    def _let_go(self, expected: set[int]) -> None:
        """End the encoders that two looks in turn found no use for.

        One look may fall between the promotion of a candidate and the view that it is live in.
        """
        asked = {pk for pk, until in self._kept_until.copy().items() if until > time.monotonic()}
        wanted = expected.union(asked, *(view.encoders for view in self._views.values()))
        kept = wanted | self._wanted
        if kept != self._kept:
            self._search.encoders.keep_only(kept)
            self._warmed &= kept
        self._wanted, self._kept = wanted, kept

    def _warm_one_of(self, expected: list[ModelVersion]) -> None:
        """Start one at most, so that no cutover waits here for many."""
        for version in expected:
            is_late = time.monotonic() >= self._cold_until.get(version.pk, 0.0)
            if version.pk not in self._warmed and is_late:
                self._warm(version)
                return

    def _warm(self, version: ModelVersion) -> None:
        try:
            self._search.encoders.warm(version)
        except SearchError as exc:
            log.warning("%s may come to serve and does not start: %s", version, exc)
            self._cold_until[version.pk] = time.monotonic() + RETRY_AFTER_S
        else:
            self._warmed.add(version.pk)
