"""Approximate search by FAISS: a part of the rows is compared; the scores that return are exact."""

import math

import faiss
import numpy as np

from workers.errors import PermanentError
from workers.indexing.choice import Kind
from workers.indexing.conditions import require_search, require_vectors
from workers.indexing.faiss_flat import FaissFlat, as_scores, best_of, is_made_for
from workers.indexing.live import Live
from workers.indexing.protocol import MISSING, Distance, Found, Vectors

SCANNED_SHARE = 0.1
"""Where fewer of the rows are live they are compared one by one: an approximate search would look
at ten hidden rows for each that it may return (chosen)."""

REFINED_PER_HIT = 4
"""Candidates of a compressed index, for each neighbour asked for, that are compared in float32."""

READ_PER_HIT = 16
"""Rows in the lists that are read, for each neighbour asked for, at least."""


class FaissApproximate:
    """A graph, or compressed lists with the exact rows beside them.

    Where it finds fewer live rows than there are, every row is compared instead, so what lacks is
    never more than nearness. Rows cannot be added.
    """

    def __init__(self, dimension: int, distance: Distance, engine: faiss.Index) -> None:
        """Search ``engine``, whose bytes have been verified.

        Raises:
            PermanentError: ``index_corrupt``: it is of another kind, dimension or metric.
        """
        if isinstance(engine, faiss.IndexHNSWFlat):
            self.kind, exact = Kind.HNSW, faiss.downcast_index(engine.storage)
        elif isinstance(engine, faiss.IndexRefine):
            self.kind, exact = Kind.IVF_SQ8, faiss.downcast_index(engine.refine_index)
            self._lists = faiss.downcast_index(engine.base_index)
        else:
            raise PermanentError("index_corrupt", f"{type(engine).__name__} is no kind of index")
        if not is_made_for(engine, dimension, distance) or exact.ntotal != engine.ntotal:
            raise PermanentError(
                "index_corrupt", f"it is no index of {dimension} numbers for {distance}"
            )
        self.dimension, self.distance, self.engine = dimension, distance, engine
        self.file_bytes = 0
        self._effort = self._kept_effort()
        self._for_all: dict[int, faiss.SearchParameters] = {}
        self.exact = FaissFlat(dimension, distance, exact)

    def __len__(self) -> int:
        return self.engine.ntotal

    @property
    def effort(self) -> int:
        """Return what every search spends at least: candidates of a graph, lists that are read."""
        return self._effort

    @effort.setter
    def effort(self, effort: int) -> None:
        self._effort = effort
        self._for_all.clear()
        if self.kind is Kind.HNSW:
            self.engine.hnsw.efSearch = effort
        else:
            self._lists.nprobe = effort

    @property
    def largest_effort(self) -> int:
        """Return the effort beyond which comparing every row is no dearer: half of the lists."""
        return len(self) if self.kind is Kind.HNSW else max(1, self._lists.nlist // 2)

    def search(self, queries: Vectors, k: int, live: Live | None = None) -> Found:
        """As ``Index.search``, but some of the nearest rows may be passed over."""
        require_vectors(queries, self.dimension, self.distance)
        require_search(k, len(self), live)
        alive = len(self) if live is None else live.count
        if alive < SCANNED_SHARE * len(self):
            return self.exact.search(queries, k, live)
        faiss.omp_set_num_threads(1)  # holds for the calling thread only
        scores, rows = self.engine.search(
            np.ascontiguousarray(queries), k, params=self.parameters(k, live)
        )
        scores = as_scores(scores, self.distance)
        scores[rows == MISSING] = -np.inf
        scores, rows = best_of(scores, rows, k)
        short = rows[:, min(k, alive) - 1] == MISSING if alive else np.zeros(len(rows), bool)
        if short.any():
            scores[short], rows[short] = self.exact.search(queries[short], k, live)
        return scores, rows

    def vectors(self) -> Vectors:
        """Return a copy of all rows, as they were before they were compressed."""
        return self.exact.vectors()

    def vector(self, row: int) -> Vectors:
        """Return a copy of one row."""
        return self.exact.vector(row)

    def parameters(self, k: int, live: Live | None = None) -> faiss.SearchParameters:
        """Return what a search spends: more of it where rows are hidden, or many are asked for."""
        if live is not None:
            return self._parameters(k, live.count / len(self), faiss.IDSelectorBitmap(live.bits))
        if k not in self._for_all:
            self._for_all[k] = self._parameters(k, 1.0, None)
        return self._for_all[k]

    def _parameters(
        self, k: int, share: float, chosen: faiss.IDSelector | None
    ) -> faiss.SearchParameters:
        if self.kind is Kind.HNSW:
            return faiss.SearchParametersHNSW(sel=chosen, efSearch=math.ceil(self.effort / share))
        read = faiss.SearchParametersIVF(sel=chosen, nprobe=self.lists_read(k, share))
        return faiss.IndexRefineSearchParameters(k_factor=REFINED_PER_HIT, base_index_params=read)

    def lists_read(self, k: int, share: float = 1.0) -> int:
        """Return how many lists a search for ``k`` reads where that share of rows is live."""
        lists = self._lists.nlist
        needed = max(self.effort, READ_PER_HIT * k * lists / max(1, len(self)))
        return min(lists, math.ceil(needed / share))

    def _kept_effort(self) -> int:
        return self.engine.hnsw.efSearch if self.kind is Kind.HNSW else self._lists.nprobe
