"""Samples of several searches through an encoder in one run."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.errors import PermanentError, TransientError
from workers.indexing.protocol import Vectors

MOST_BYTES = 16 * 2**20
"""Of one run of several samples (chosen); a single sample may be larger."""

WAITS_S = 10.0
"""For its turn, then it is told ``busy``: as long as one run may take."""


@dataclass(eq=False)
class _Asked:
    """One sample, and what became of it."""

    sample: NDArray[np.generic]
    vector: Vectors | None = None
    error: PermanentError | TransientError | None = None

    @property
    def is_answered(self) -> bool:
        return self.vector is not None or self.error is not None


class Batches:
    """Joins what waits for one encoder.

    Nobody waits for company: an idle encoder is asked at once, and what comes while it works goes
    together in its next run. A vector may differ in its last bits with the samples beside it, as it
    may when items are embedded.
    """

    def __init__(
        self, run: Callable[[NDArray[np.generic]], Vectors], *, waits_s: float = WAITS_S
    ) -> None:
        """Use ``run``: (n, ...) samples to (n, D) vectors, called by one thread at a time."""
        self._run = run
        self._waits_s = waits_s
        self._waiting: deque[_Asked] = deque()
        self._guard = threading.Lock()
        self._turn = threading.Lock()

    def encode(self, sample: NDArray[np.generic]) -> Vectors:
        """Return the (1, D) vector of one sample, (1, ...).

        Raises:
            PermanentError: what ``run`` raises for this sample, whatever is beside it.
            TransientError: others kept the encoder busy for too long.
        """
        mine = _Asked(sample)
        with self._guard:
            self._waiting.append(mine)
        if not self._turn.acquire(timeout=self._waits_s):
            with self._guard:
                if mine in self._waiting:
                    self._waiting.remove(mine)
            raise TransientError("the encoder is busy with other requests")
        try:
            while not mine.is_answered:
                self._answer(self._next())
        finally:
            self._turn.release()
        if mine.error is not None:
            raise mine.error
        assert mine.vector is not None
        return mine.vector

    def _next(self) -> list[_Asked]:
        """Take the longest waiting and those after it that fit beside it."""
        with self._guard:
            chosen = [self._waiting.popleft()]
            first = chosen[0].sample
            while self._waiting:
                sample = self._waiting[0].sample
                alike = (sample.shape, sample.dtype) == (first.shape, first.dtype)
                if not alike or (len(chosen) + 1) * first.nbytes > MOST_BYTES:
                    break
                chosen.append(self._waiting.popleft())
        return chosen

    def _answer(self, chosen: list[_Asked]) -> None:
        """Run a batch; where it is refused, each sample alone, so that one spoils no other."""
        try:
            vectors = self._run(np.concatenate([asked.sample for asked in chosen]))
            for asked, vector in zip(chosen, vectors, strict=True):
                asked.vector = vector[None]
        except PermanentError as exc:
            if len(chosen) == 1:
                chosen[0].error = exc
                return
            for asked in chosen:
                self._answer([asked])
        finally:
            for asked in chosen:
                if not asked.is_answered:
                    asked.error = TransientError("the run that it was in broke off")
