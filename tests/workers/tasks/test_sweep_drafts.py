"""What a killed worker left half written among the vectors is removed after a day, not before."""

import os
import time

import pytest

from tests.builders.galleries import a_gallery, files_of
from workers.tasks.sweep import UPLOAD_KEPT_S, sweep

pytestmark = pytest.mark.django_db


def test_old_drafts_of_segments_go_and_young_ones_and_vectors_stay():
    gallery = a_gallery(items={"a": [1, 0, 0]})
    folder = files_of(gallery.segments.get())._root
    old, young = (folder / "incoming" / name for name in ("old", "young"))
    for draft in (old, young):
        draft.write_bytes(b"half of it")
    long_ago = time.time() - UPLOAD_KEPT_S - 60
    for file in folder.rglob("*"):
        if file not in {young, young.parent}:
            os.utime(file, (long_ago, long_ago))
    vectors = files_of(gallery.segments.get()).path(gallery.batches.get().chunk_digest)

    sweep()

    assert not old.exists()
    assert young.exists()
    assert vectors.exists()
