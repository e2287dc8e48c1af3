"""Sealing makes one index of a segment's chunks, in their order, in a child process."""

import hashlib
import json

import numpy as np
import pytest

from workers.errors import PermanentError
from workers.indexing.protocol import Distance
from workers.indexing.publish import read_index
from workers.pipelines import seal_segment
from workers.runners.process import Limits, run_child


def a_chunk(folder, rows):
    data = np.asarray(rows, dtype="<f4").tobytes()
    path = folder / hashlib.sha256(data).hexdigest()
    path.write_bytes(data)
    return path


def a_job(chunks, dimension=2, distance="inner_product"):
    return {"chunks": [str(c) for c in chunks], "dimension": dimension, "distance": distance}


def seal(folder, job):
    return seal_segment.main(job, folder, lambda done, total: None)


def code_of(folder, job):
    with pytest.raises(PermanentError) as refused:
        seal(folder, job)
    assert not (folder / "index.faiss").exists()
    return refused.value.code


def test_a_child_builds_the_index_and_answers_with_its_digest(tmp_path):
    chunks = [a_chunk(tmp_path, [[1, 0], [2, 0]]), a_chunk(tmp_path, [[0, 3]])]

    result = run_child(
        "workers.pipelines.seal_segment", a_job(chunks), folder=tmp_path, limits=Limits()
    )

    data = (tmp_path / "index.faiss").read_bytes()
    assert result == {
        "rows": 3,
        "sha256": hashlib.sha256(data).hexdigest(),
        "kind": "flat",
        "recall_at_10": 1.0,
        "note": "",
    }
    assert json.dumps(result)
    index = read_index(
        tmp_path / "index.faiss",
        digest=result["sha256"],
        dimension=2,
        distance=Distance.INNER_PRODUCT,
    )
    assert index.vectors().tolist() == [[1, 0], [2, 0], [0, 3]]


def test_cosine_keeps_directions(tmp_path):
    result = seal(tmp_path, a_job([a_chunk(tmp_path, [[3, 4]])], distance="cosine"))

    index = read_index(
        tmp_path / "index.faiss", digest=result["sha256"], dimension=2, distance=Distance.COSINE
    )
    np.testing.assert_allclose(index.vectors(), [[0.6, 0.8]], atol=1e-7)


def test_progress_is_reported_by_chunk(tmp_path):
    reports = []
    chunks = [a_chunk(tmp_path, [[1, 0]]), a_chunk(tmp_path, [[2, 0]])]

    seal_segment.main(a_job(chunks), tmp_path, lambda *counts: reports.append(counts))

    assert reports == [(1, 2), (2, 2)]


def test_a_chunk_whose_bytes_changed_is_refused(tmp_path):
    chunk = a_chunk(tmp_path, [[1, 0]])
    chunk.write_bytes(np.zeros(2, "<f4").tobytes())

    assert code_of(tmp_path, a_job([chunk])) == "chunk_corrupt"


def test_a_chunk_that_is_not_there_is_refused(tmp_path):
    assert code_of(tmp_path, a_job([tmp_path / ("0" * 64)])) == "chunk_missing"


def test_a_chunk_of_another_dimension_is_refused(tmp_path):
    assert code_of(tmp_path, a_job([a_chunk(tmp_path, [[1, 0]])], dimension=3)) == "chunk_corrupt"


def test_what_cannot_be_compared_is_refused(tmp_path):
    zero, infinite = a_chunk(tmp_path, [[0, 0]]), a_chunk(tmp_path, [[np.inf, 0]])

    assert code_of(tmp_path, a_job([zero], distance="cosine")) == "zero_vector"
    for distance in ("cosine", "euclidean"):
        assert code_of(tmp_path, a_job([infinite], distance=distance)) == "not_finite"
