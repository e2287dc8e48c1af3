"""What an engine must be able to do; ``workers.engines.engine`` checks what it is given.

An adapter may trust its arguments: names, shapes, types, spaces and finiteness were checked once,
for all engines alike. It repairs nothing and decides nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from workers.errors import TransientError
from workers.indexing.protocol import Distance, Vectors

Rows = NDArray[np.int64]
"""Numbers that the caller gives to vectors: at least 0, each once in a collection."""

Scalar = str | int | bool
Metadata = Mapping[str, Scalar]
"""Flat: names to strings, whole numbers, truths. ``True`` is not 1."""

Candidates = tuple[Rows, Vectors]
"""(m,) rows and their (m, D) vectors as they were put in, to the bit."""


class EngineUnavailableError(TransientError):
    """The engine does not answer, or not as it should; what was acknowledged is still there."""


@dataclass(frozen=True)
class Collection:
    """Vectors that can be compared with one another, under one name.

    Attributes:
        name: made of ids (``g3-s7``), never of what people may rename.
        space: the digest of the version that made them.
    """

    name: str
    dimension: int
    distance: Distance
    space: str


class Adapter(Protocol):
    """One engine. Several threads may call it at once; every call may raise EngineUnavailableError.

    What a call wrote is there for every later call; of all engines but the reference in another
    process and after a restart too. A call that failed may have written a part; the same again
    completes it.

    Attributes:
        label: what it is and what of it was run, for people.
    """

    label: str

    def create(self, collection: Collection) -> Collection:
        """Make an empty collection, unless there is one of that name; return what is there."""

    def find(self, name: str) -> Collection | None:
        """Return the collection of that name."""

    def names(self) -> list[str]:
        """Return the names of all collections."""

    def upsert(
        self,
        collection: Collection,
        rows: Rows,
        vectors: Vectors,
        metadata: Sequence[Metadata] | None,
    ) -> None:
        """Put in (n,) rows, each once, in place of those that are there."""

    def delete(self, collection: Collection, rows: Rows) -> None:
        """Take rows out; one that is not there is passed over."""

    def nearest(
        self, collection: Collection, query: Vectors, n: int, where: Metadata | None
    ) -> Candidates:
        """Return about the ``n`` nearest to a (1, D) query, in any order.

        Fewer may be found than there are, and nearer ones be passed over.

        Args:
            where: only rows whose metadata equal it in every name that it has.
        """

    def compared(
        self,
        collection: Collection,
        query: Vectors,
        n: int,
        where: Metadata | None,
        among: Rows | None,
    ) -> Candidates:
        """Return exactly the ``n`` nearest, of all rows or of ``among``, in any order.

        Of rows that tie for the last place the first are returned, as far as the engine's own
        arithmetic sees the tie.
        """

    def fetch(self, collection: Collection, rows: Rows) -> Candidates:
        """Return those of ``rows`` that are there, in any order."""

    def held(self, collection: Collection, rows: Rows) -> Rows:
        """Return which of ``rows`` are there, in any order."""

    def count(self, collection: Collection) -> int:
        """Return how many rows there are, exactly."""

    def arrange(self, collection: Collection, *, approximate: bool) -> str:
        """Make what was put in fast to search; return how it is kept (``flat``, ``hnsw``...).

        ``flat`` stands for: every row is compared. So it is whenever it may not be
        ``approximate``.
        """

    def drop(self, collection: Collection) -> None:
        """Remove a collection and all of its rows."""

    def close_thread(self) -> None:
        """Let go of what the calling thread alone used, its connection for one."""

    def close(self) -> None:
        """Let go of connections and files; the next call opens them again."""
