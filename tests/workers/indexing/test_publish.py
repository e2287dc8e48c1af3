"""Index files are whole, verified before they are read, and never written over."""

import hashlib
import os
import resource
import subprocess
import sys

import faiss
import numpy as np
import pytest

from workers.errors import PermanentError
from workers.indexing.faiss_flat import FaissFlat
from workers.indexing.protocol import Distance
from workers.indexing.publish import INDEX_FILE, read_index, write_index

INNER = Distance.INNER_PRODUCT


def an_index(rows=50, dimension=8, distance=INNER):
    index = FaissFlat(dimension, distance)
    index.add(np.random.default_rng(1).normal(size=(rows, dimension)).astype(np.float32))
    return index


def code_of_reading(path, digest, dimension=8, distance=INNER):
    with pytest.raises(PermanentError) as refused:
        read_index(path, digest=digest, dimension=dimension, distance=distance)
    return refused.value.code


@pytest.mark.parametrize("distance", [INNER, Distance.EUCLIDEAN])
def test_what_was_written_is_read(tmp_path, distance):
    index = an_index(distance=distance)

    written = write_index(index, tmp_path)
    read = read_index(tmp_path / INDEX_FILE, digest=written.sha256, dimension=8, distance=distance)

    assert written.rows == 50
    assert written.sha256 == hashlib.sha256((tmp_path / INDEX_FILE).read_bytes()).hexdigest()
    np.testing.assert_array_equal(read.vectors(), index.vectors())
    assert [path.name for path in tmp_path.iterdir()] == [INDEX_FILE]


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


def test_any_changed_byte_is_found_before_faiss_reads_it(tmp_path, monkeypatch):
    written = write_index(an_index(), tmp_path)
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


def test_an_index_of_another_dimension_metric_or_kind_is_refused(tmp_path):
    written = write_index(an_index(), tmp_path)
    path = tmp_path / INDEX_FILE
    tree = faiss.IndexHNSWFlat(8, 4)
    faiss.write_index(tree, str(tmp_path / "tree"))
    digest = hashlib.sha256((tmp_path / "tree").read_bytes()).hexdigest()

    assert code_of_reading(path, written.sha256, dimension=9) == "index_corrupt"
    assert code_of_reading(path, written.sha256, distance=Distance.EUCLIDEAN) == "index_corrupt"
    assert code_of_reading(tmp_path / "tree", digest) == "index_corrupt"


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
