"""Warm encoders: one resident child for each version that a live view queries with."""

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from registry.catalog.models import ModelVersion
from registry.core.data import artifact_store
from registry.core.errors import RegistryError
from workers.errors import PermanentError, TransientError
from workers.indexing.protocol import Vectors
from workers.runners.resident import RESIDENT_LIMITS, ResidentChild
from workers.serving.batches import Batches
from workers.serving.errors import SearchError

INPUT_CODES = frozenset(
    {"input_shape", "input_dtype", "outputs_not_finite", "request_too_large", "zero_embedding"}
)
"""What an encoder refuses for the sake of the input; anything else is its own failure."""


def resident(version: ModelVersion) -> ResidentChild:
    """Return the resident child of a version, not started, its artifact verified.

    Raises:
        PermanentError: ``encoder_without_weights``.
        RegistryError: the artifact is missing or has changed.
    """
    if version.artifact_id is None:
        raise PermanentError("encoder_without_weights", "recorded outputs encode nothing new")
    return ResidentChild(
        artifact_store().verified_path(version.artifact_id),
        version.manifest,
        device=settings.COMPUTE_DEVICE,
        limits=replace(RESIDENT_LIMITS, memory_bytes=settings.CHILD_MEMORY_BYTES),
    )


@dataclass
class _Held:
    child: ResidentChild
    batches: Batches
    users: int = 0
    is_wanted: bool = True


class Encoders:
    """The encoders that this process keeps, by version id."""

    def __init__(self, start: Callable[[ModelVersion], ResidentChild] = resident) -> None:
        self._start = start
        self._held: dict[int, _Held] = {}
        self._restarts_of_ended = 0
        self._guard = threading.Lock()

    def encode(self, version: ModelVersion, sample: NDArray[np.generic]) -> Vectors:
        """Return the (1, D) vector of one sample; samples that wait for it go in one run.

        Raises:
            SearchError: ``busy``, ``encoder_unavailable``, or why the input is refused.
        """
        with self._used(version) as held:
            return held.batches.encode(sample)

    def warm(self, version: ModelVersion) -> None:
        """Have the encoder of a version running.

        Raises:
            SearchError: ``encoder_unavailable``.
        """
        with self._used(version) as held:
            held.child.warm()

    def keep_only(self, version_ids: Collection[int]) -> None:
        """End every other encoder, one that is at work when it is done."""
        with self._guard:
            dropped = [self._held.pop(pk) for pk in set(self._held) - set(version_ids)]
            for held in dropped:
                held.is_wanted = False
                self._restarts_of_ended += held.child.restarts
            idle = [held for held in dropped if not held.users]
        for held in idle:
            held.child.close()

    def held(self) -> set[int]:
        """Return the ids of the versions whose encoders are kept."""
        return set(self._held)

    def restarts(self) -> int:
        """Return how often an encoder had to be started again."""
        with self._guard:
            return self._restarts_of_ended + sum(h.child.restarts for h in self._held.values())

    @contextmanager
    def _used(self, version: ModelVersion) -> Iterator[_Held]:
        """Hold the version's encoder while it is used; turn what goes wrong into one code."""
        try:
            held = self._taken(version)
            try:
                yield held
            finally:
                self._give_back(held)
        except TransientError as exc:
            raise SearchError("busy", str(exc)) from exc
        except RegistryError as exc:
            raise SearchError("encoder_unavailable", f"{version}: {exc.code}: {exc}") from exc
        except PermanentError as exc:
            if exc.code in INPUT_CODES:
                raise SearchError(exc.code, exc.detail) from exc
            raise SearchError("encoder_unavailable", f"{version}: {exc}") from exc

    def _taken(self, version: ModelVersion) -> _Held:
        made = None if version.pk in self._held else self._made(version)
        with self._guard:
            held = self._held.get(version.pk) or made
            if held is not None:
                self._held[version.pk] = held
                held.users += 1
                return held
        return self._taken(version)  # it was dropped between the two looks

    def _made(self, version: ModelVersion) -> _Held:
        child = self._start(version)
        return _Held(child, Batches(child.run))

    def _give_back(self, held: _Held) -> None:
        with self._guard:
            held.users -= 1
            is_last = not held.is_wanted and not held.users
        if is_last:
            held.child.close()
