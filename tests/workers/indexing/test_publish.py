"""Index files are whole, verified before they are read, and never written over."""

import hashlib
import os
import resource
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest

from workers.errors import PermanentError
from workers.indexing.build import approximate
from workers.indexing.choice import Kind
from workers.indexing.faiss_flat import FaissFlat
from workers.indexing.protocol import Distance
from workers.indexing.publish import INDEX_FILE, read_index, write_index

INNER = Distance.INNER_PRODUCT
kinds = pytest.mark.parametrize("kind", list(Kind))


def an_index(rows=50, dimension=8, distance=INNER, kind=Kind.FLAT):
    index = FaissFlat(dimension, distance)
    index.add(np.random.default_rng(1).normal(size=(rows, dimension)).astype(np.float32))
    if kind is Kind.FLAT:
        return index
    return approximate(index, kind, lambda block: None, held_back=np.arange(0))


def code_of_reading(path, digest, dimension=8, distance=INNER):
    with pytest.raises(PermanentError) as refused:
        read_index(path, digest=digest, dimension=dimension, distance=distance)
    return refused.value.code


@kinds
@pytest.mark.parametrize("distance", [INNER, Distance.EUCLIDEAN])
def test_what_was_written_is_read(tmp_path, distance, kind):
    index = an_index(distance=distance, kind=kind)

    written = write_index(index, tmp_path)
    read = read_index(tmp_path / INDEX_FILE, digest=written.sha256, dimension=8, distance=distance)

    assert written.rows == 50
    assert written.sha256 == hashlib.sha256((tmp_path / INDEX_FILE).read_bytes()).hexdigest()
    np.testing.assert_array_equal(read.vectors(), index.vectors())
    queries = index.vectors()[:5] * np.float32(1.01)
    for found, expected in zip(read.search(queries, 7), index.search(queries, 7), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert read.kind is kind
    assert [path.name for path in tmp_path.iterdir()] == [INDEX_FILE]


@kinds
def test_what_is_read_is_mapped_and_outlives_its_name(tmp_path, kind):
    """The rows are no private memory of the process, and a mapped file may be unlinked."""
    index = an_index(rows=8000, dimension=256, kind=kind)
    queries = index.vectors()[:3]
    written, expected = write_index(index, tmp_path), index.search(queries, 5)
    del index
    before = private_bytes()

    read = read_index(tmp_path / INDEX_FILE, digest=written.sha256, dimension=256, distance=INNER)
    (tmp_path / INDEX_FILE).unlink()
    found = read.search(queries, 5)

    assert private_bytes() - before < 8000 * 256 * 4 / 2
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def private_bytes():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("RssAnon:")[1].split()[0])


def test_the_same_rows_are_the_same_bytes(tmp_path):
    digests = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        digests.add(write_index(an_index(), tmp_path / name).sha256)

    assert len(digests) == 1


def test_an_index_that_is_there_is_never_written_over(tmp_path):
    first = write_index(an_index(), tmp_path)

    with pytest.raises(PermanentError, match="index_exists"):
        write_index(an_index(rows=3), tmp_path)

    place = tmp_path / INDEX_FILE
    assert len(read_index(place, digest=first.sha256, dimension=8, distance=INNER)) == 50
    assert len(list(tmp_path.iterdir())) == 1


@kinds
def test_any_changed_byte_is_found_before_faiss_reads_it(tmp_path, monkeypatch, kind):
    written = write_index(an_index(kind=kind), tmp_path)
    path = tmp_path / INDEX_FILE
    whole = path.read_bytes()
    monkeypatch.setattr(faiss, "read_index", lambda *_: pytest.fail("FAISS saw damaged bytes"))

    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        assert code_of_reading(path, written.sha256) == "index_corrupt"
    for length in (0, 1, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert code_of_reading(path, written.sha256) == "index_corrupt"


def test_the_file_that_was_checked_is_the_file_that_is_read(tmp_path, monkeypatch):
    """Another file under the name, put there after the check, is not read."""
    written = write_index(an_index(), tmp_path)
    path = tmp_path / INDEX_FILE
    other = tmp_path / "other"
    other.mkdir()
    write_index(an_index(rows=3), other)
    read = faiss.read_index

    def swap_first(name, flags):
        os.replace(other / INDEX_FILE, path)
        return read(name, flags)

    monkeypatch.setattr(faiss, "read_index", swap_first)

    index = read_index(path, digest=written.sha256, dimension=8, distance=INNER)

    assert len(index) == 50


def test_a_missing_file_is_named_so(tmp_path):
    assert code_of_reading(tmp_path / INDEX_FILE, "0" * 64) == "index_missing"


@kinds
def test_an_index_of_another_dimension_metric_or_kind_is_refused(tmp_path, kind):
    written = write_index(an_index(kind=kind), tmp_path)
    path = tmp_path / INDEX_FILE
    hashes = faiss.IndexLSH(8, 16)
    faiss.write_index(hashes, str(tmp_path / "hashes"))
    digest = hashlib.sha256((tmp_path / "hashes").read_bytes()).hexdigest()

    assert code_of_reading(path, written.sha256, dimension=9) == "index_corrupt"
    assert code_of_reading(path, written.sha256, distance=Distance.EUCLIDEAN) == "index_corrupt"
    assert code_of_reading(tmp_path / "hashes", digest) == "index_corrupt"


def test_a_file_cannot_make_faiss_allocate_more_than_its_own_size(tmp_path):
    """The digest is of the hostile file itself: the limits are the second wall."""
    write_index(an_index(), tmp_path)
    data = bytearray((tmp_path / INDEX_FILE).read_bytes())
    place = data.index((50 * 8).to_bytes(8, "little"), 30)
    data[place : place + 8] = (10**9).to_bytes(8, "little")
    (tmp_path / "hostile").write_bytes(data)

    assert code_of_reading(tmp_path / "hostile", hashlib.sha256(data).hexdigest()) == (
        "index_corrupt"
    )
    assert faiss.get_deserialization_vector_byte_limit() == len(data)
    assert faiss.get_deserialization_loop_limit() == 2**20


WRITE_UNDER_A_LIMIT = """
import resource, sys
from pathlib import Path
from tests.workers.indexing.test_publish import an_index
from workers.indexing.publish import write_index
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_index(an_index(), Path(sys.argv[1]))
except OSError as exc:
    print(exc.errno)
"""


def test_a_write_that_fails_leaves_nothing_and_says_why(tmp_path):
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY

    done = subprocess.run(
        [sys.executable, "-c", WRITE_UNDER_A_LIMIT, tmp_path], capture_output=True, text=True
    )

    assert done.stdout.strip() == "27", done.stderr  # EFBIG
    assert list(tmp_path.iterdir()) == []
