"""Put the rows of a segment into an engine: what it does not hold yet, batch by batch."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workers.engines.engine import Engine
from workers.engines.protocol import Collection, Rows
from workers.errors import PermanentError
from workers.indexing.choice import RECALL_FLOOR
from workers.indexing.chunks import read_chunk
from workers.indexing.conditions import comparable
from workers.indexing.protocol import MISSING, Vectors

ROWS_PER_BATCH = 2**32
"""Rows are numbered by batch and place in it: the number of a row never changes, whatever is
finished before or after it."""

BLOCK_ROWS = 10_000
"""Rows that are put in at once."""

TRIAL_QUERIES = 50
"""Rows that are asked for their neighbours: every row of the collection is compared for each."""

TRIAL_K = 10

SCORE_TOLERANCE = 1e-5
"""As that of ``workers.indexing.build``: of equal rows it does not matter which is found."""

SEED = 0

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Batch:
    """Rows that came together, and the chunk file that holds them.

    Attributes:
        is_published: an earlier publication has put them in.
    """

    id: int
    rows: int
    chunk: Path
    is_published: bool

    @property
    def numbers(self) -> Rows:
        """The rows' numbers in the engine."""
        return numbers_of(self.id, self.rows)


@dataclass(frozen=True)
class Published:
    """How a collection is kept, and how well it finds.

    Attributes:
        written: rows that were not there.
        recall_at_10: share of the ten nearest rows that it finds; 1 when every row is compared.
    """

    written: int
    arranged: str
    recall_at_10: float
    note: str


def numbers_of(batch_id: int, rows: int) -> Rows:
    """Return the numbers of a batch's rows, ascending."""
    return batch_id * ROWS_PER_BATCH + np.arange(rows, dtype=np.int64)


def digest_of(engine: str, collection: Collection, attempt: int, chunks: Sequence[str]) -> str:
    """Return what tells one publication from every other: by what, of what, and the how-many-th."""
    said = "\n".join([engine, collection.name, collection.space, str(attempt), *chunks])
    return hashlib.sha256(said.encode()).hexdigest()


def publish(
    engine: Engine, collection: Collection, batches: Sequence[Batch], report: Report
) -> Published:
    """Put in what is missing, arrange it, and measure what it finds.

    Broken off at any point, done again it goes on. Of a batch that no publication has finished
    what is there is compared and replaced where it differs: a database that was restored may have
    given the same numbers to other rows.

    Raises:
        PermanentError: a chunk is not what it was, the collection is there as another one, or
            rows are missing in the end (``row_count``).
        EngineUnavailableError: go on later.
    """
    engine.create(collection)
    total, written = sum(batch.rows for batch in batches), 0
    done = 0
    for batch in batches:
        for missing, vectors in _lacking(engine, collection, batch):
            engine.upsert(collection.name, missing, vectors, space=collection.space)
            written += len(missing)
            report(done, total)
        done += batch.rows
        report(done, total)
    for batch in batches:
        if lost := len(engine.missing(collection.name, batch.numbers)):
            raise PermanentError("row_count", f"{lost} rows of batch {batch.id} are not there")
    return _arranged(engine, collection, batches, written)


def _lacking(
    engine: Engine, collection: Collection, batch: Batch
) -> Iterator[tuple[Rows, Vectors]]:
    """Yield blocks of rows that must be put in; the chunk is read only if there are some."""
    missing = engine.missing(collection.name, batch.numbers)
    if batch.is_published and not len(missing):
        return
    chunk = comparable(read_chunk(batch.chunk, collection.dimension), collection.distance)
    if len(chunk) != batch.rows:
        raise PermanentError("row_count", f"{len(chunk)} rows in the chunk of batch {batch.id}")
    for start in range(0, batch.rows, BLOCK_ROWS):
        numbers = batch.numbers[start : start + BLOCK_ROWS]
        vectors = chunk[start : start + BLOCK_ROWS]
        lacks = np.isin(numbers, missing)
        if not batch.is_published and not lacks.all():
            held = engine.fetch(collection.name, numbers[~lacks])
            lacks[~lacks] = (held != vectors[~lacks]).any(axis=1)
        if lacks.any():
            yield numbers[lacks], vectors[lacks]


def _arranged(
    engine: Engine, collection: Collection, batches: Sequence[Batch], written: int
) -> Published:
    how = engine.arrange(collection.name)
    if how == "flat":
        return Published(written, how, 1.0, "")
    recall = _recall(engine, collection, batches)
    if recall >= RECALL_FLOOR:
        return Published(written, how, recall, "")
    flat = engine.arrange(collection.name, approximate=False)
    note = f"{how} found {recall:.3f} of the nearest, {RECALL_FLOOR:g} is asked"
    return Published(written, flat, 1.0, note)


def _recall(engine: Engine, collection: Collection, batches: Sequence[Batch]) -> float:
    """Return the share of the ten nearest others that are found for rows drawn at random."""
    rows = np.concatenate([batch.numbers for batch in batches])
    drawn = np.random.default_rng(SEED).choice(rows, min(TRIAL_QUERIES, len(rows)), replace=False)
    asked = {"k": TRIAL_K + 1, "space": collection.space}
    shares = []
    for row, vector in zip(drawn, engine.fetch(collection.name, drawn), strict=True):
        exact, found = (
            _others(*engine.search(collection.name, vector[None], exact=every, **asked), row)
            for every in (True, False)
        )
        least = exact[-1] - SCORE_TOLERANCE * abs(exact[-1])
        shares.append(np.count_nonzero(found >= least) / len(exact))
    return float(np.mean(shares))


def _others(scores: Vectors, rows: Rows, itself: int) -> Vectors:
    is_other = (rows[0] != itself) & (rows[0] != MISSING)
    return scores[0, is_other][:TRIAL_K]
