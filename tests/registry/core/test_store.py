"""Content-addressed bytes: whole or not there, and checked against their name."""

import errno
import hashlib
import time

import pytest

from registry.core.errors import StorageFullError, UnknownObjectError, UploadTooLargeError
from registry.core.store import CorruptError, Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def files(tmp_path):
    return [p for p in tmp_path.rglob("*") if p.is_file()]


def broken(after, error):
    yield b"x" * after
    raise error


def test_bytes_are_found_under_their_sha256_and_cannot_be_written_again(store, tmp_path):
    stored = store.write([b"ab", b"", b"c"], max_bytes=3)

    assert stored.digest == hashlib.sha256(b"abc").hexdigest()
    assert (stored.size_bytes, stored.head) == (3, b"ab")
    assert store.verified_path(stored.digest).read_bytes() == b"abc"
    assert store.path(stored.digest).stat().st_mode & 0o777 == 0o400
    assert len(files(tmp_path)) == 1


def test_the_same_bytes_are_stored_once(store, tmp_path):
    first = store.write([b"abc"], max_bytes=9)
    second = store.write([b"a", b"bc"], max_bytes=9)

    assert first.digest == second.digest
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize(
    ("chunks", "raised"),
    [
        ([b"x" * 11], UploadTooLargeError),
        (broken(5, OSError(errno.ENOSPC, "no space")), StorageFullError),
        (broken(5, OSError(errno.EDQUOT, "quota")), StorageFullError),
        (broken(5, OSError(errno.EIO, "broken disk")), OSError),
        (broken(5, ConnectionResetError()), ConnectionResetError),
        (broken(5, KeyboardInterrupt()), KeyboardInterrupt),
    ],
    ids=["too large", "disk full", "quota", "broken disk", "client gone", "interrupted"],
)
def test_what_goes_wrong_leaves_nothing_behind(store, tmp_path, chunks, raised):
    with pytest.raises(raised):
        store.write(chunks, max_bytes=10)

    assert files(tmp_path) == []


def test_every_flipped_bit_is_found(store):
    digest = store.write([b"abc"], max_bytes=9).digest
    path = store.path(digest)
    path.chmod(0o600)

    for bit in range(24):
        data = bytearray(b"abc")
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        with pytest.raises(CorruptError):
            store.verified_path(digest)


@pytest.mark.parametrize(
    "name", ["", "..", "../../etc/passwd", "a" * 63, "A" * 64, "g" * 64, "a" * 64 + "\0", "ü" * 64]
)
def test_what_is_no_digest_reaches_no_file(store, name):
    with pytest.raises(UnknownObjectError):
        store.path(name)


def test_only_stale_uploads_are_discarded(store, tmp_path):
    kept = store.write([b"abc"], max_bytes=9)
    (tmp_path / "incoming").mkdir(exist_ok=True)
    (tmp_path / "incoming" / "tmp1").write_bytes(b"left by a crash")

    assert store.discard_stale_uploads(older_than=time.time() - 60) == 0
    assert store.discard_stale_uploads(older_than=time.time() + 60) == 1
    assert store.verified_path(kept.digest)
