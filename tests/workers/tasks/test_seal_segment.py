"""The index of a segment: built by a child, published whole, replaced as the segment grows."""

import os
import signal
import subprocess
import threading
import time

import numpy as np
import pytest
from django.utils import timezone

from registry.core.leases import LEASE
from registry.galleries.models import InsertBatch, Segment
from registry.galleries.services import seal, sweep
from tests.builders import galleries as build
from workers.indexing import choice
from workers.indexing.protocol import Distance
from workers.indexing.publish import read_index
from workers.tasks.seal_segment import seal_segment

DIMENSION = choice.FLAT_NUMBERS // choice.FLAT_ROWS
"""Rows that just are no longer few enough for a flat index."""

MANY = choice.FLAT_ROWS + 1


def vectors(rows, *, seed=0):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(200, DIMENSION))
    near = centres[rng.integers(0, 200, rows)] + 0.4 * rng.normal(size=(rows, DIMENSION))
    return near.astype(np.float32)


def a_gallery_of(rows, *, distance="inner_product"):
    encoder = build.an_encoder(dimension=DIMENSION, distance=distance)
    gallery = build.a_gallery(encoder)
    add(gallery, rows)
    return gallery


def add(gallery, rows, *, seed=0):
    held = gallery.items.count()
    build.fill(gallery, [f"i{held + n}" for n in range(rows)], vectors(rows, seed=seed))


def cut_over(gallery):
    old = gallery.live_view.encoder
    build.move(gallery, build.an_encoder(gallery.alias, dimension=DIMENSION), covers=[old])
    return gallery.segments.get(number=1)


def files_of(segment):
    """Return the names of all files of a segment, temporary ones too."""
    folder = build.files_of(segment)._root
    return {path.name for path in folder.rglob("*") if path.is_file()}


def index_of(segment):
    return read_index(
        build.files_of(segment).path(segment.index_digest),
        digest=segment.index_digest,
        dimension=DIMENSION,
        distance=Distance(segment.distance),
    )


@pytest.mark.django_db
def test_a_large_segment_gets_a_graph_and_says_how_well_it_finds():
    gallery = a_gallery_of(MANY)
    segment = cut_over(gallery)

    seal_segment(segment.pk)

    segment.refresh_from_db()
    assert (segment.work_state, segment.index_kind, segment.index_note) == ("done", "hnsw", "")
    assert segment.sealed_rows == segment.indexed_rows == len(index_of(segment))
    assert choice.RECALL_FLOOR <= segment.recall_at_10 <= 1


def kill_the_build(after_s):
    """Kill -9 the first build child that is seen, so long after it was seen."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for pid in children():
            time.sleep(after_s)
            os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.02)


def children():
    listed = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(os.getpid())],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = listed.stdout.splitlines()
    return [int(line.split()[0]) for line in lines if "workers.pipelines.seal_segment" in line]


@pytest.mark.django_db
@pytest.mark.process
@pytest.mark.parametrize("after_s", [0.1, 0.4, 0.8])
def test_a_killed_build_leaves_nothing_and_the_next_one_makes_the_same_bytes(after_s):
    gallery = a_gallery_of(MANY)
    segment = cut_over(gallery)
    before = files_of(segment)
    killer = threading.Thread(target=kill_the_build, args=(after_s,))
    killer.start()

    seal_segment(segment.pk)

    killer.join()
    segment.refresh_from_db()
    assert (segment.work_state, segment.error_code) == ("failed", "out_of_memory")
    assert (segment.index_digest, segment.sealed_rows) == ("", None)
    assert files_of(segment) == before
    digests = []
    for _ in range(2):
        Segment.objects.filter(pk=segment.pk).update(work_state="queued", index_digest="")
        seal_segment(segment.pk)
        segment.refresh_from_db()
        digests.append(segment.index_digest)
    assert digests[0] == digests[1]
    assert files_of(segment) == before | {digests[0]}


@pytest.mark.django_db
def test_a_segment_that_grows_is_indexed_again_when_it_has_grown_by_a_quarter(queue, monkeypatch):
    monkeypatch.setattr(seal, "GROWN_ROWS", 100)
    gallery = a_gallery_of(99)
    segment = gallery.segments.get()
    digests = []
    for rows, is_due in ((0, False), (1, True), (99, False), (1, True), (100, True), (100, True)):
        add(gallery, rows, seed=rows) if rows else None
        queue.act(sweep.sweep)
        assert bool(queue.sent) is is_due
        queue.settle()
        segment.refresh_from_db()
        digests.append(segment.index_digest)

    assert digests[0] == ""
    assert digests[1] == digests[2]
    assert len({*digests}) == 5
    assert (segment.state, segment.sealed_rows, segment.indexed_rows) == ("insert", None, 400)
    assert files_of(segment) == {b.chunk_digest for b in segment.batches.all()} | {digests[-1]}


@pytest.mark.django_db
def test_below_a_quarter_a_large_index_is_not_built_again(queue, monkeypatch):
    monkeypatch.setattr(seal, "GROWN_ROWS", 10)
    gallery = a_gallery_of(1000)
    queue.act(sweep.sweep)
    queue.settle()
    add(gallery, 249, seed=1)
    queue.act(sweep.sweep)
    assert not queue.sent

    add(gallery, 1, seed=2)
    queue.act(sweep.sweep)

    assert queue.sent


@pytest.mark.django_db
def test_a_cutover_takes_the_work_from_who_indexes_what_was_there_before_it(queue, monkeypatch):
    monkeypatch.setattr(seal, "GROWN_ROWS", 10)
    gallery = a_gallery_of(10)
    queue.act(sweep.sweep)
    segment = gallery.segments.get()
    stale = seal.claim(segment_id=segment.pk)
    add(gallery, 5, seed=1)
    queue.act(cut_over, gallery=gallery)

    index = seal.PublishedIndex("d" * 64, "flat", 1.0)
    assert seal.record_sealed(job=stale, index=index) is False
    queue.settle()

    segment.refresh_from_db()
    assert (segment.sealed_rows, segment.indexed_rows, len(index_of(segment))) == (15, 15, 15)
    assert not InsertBatch.objects.filter(segment=segment).exclude(
        index_digest=segment.index_digest
    )


@pytest.mark.django_db
def test_a_worker_that_died_while_indexing_a_growing_segment_is_replaced(queue, monkeypatch):
    monkeypatch.setattr(seal, "GROWN_ROWS", 10)
    gallery = a_gallery_of(10)
    queue.act(sweep.sweep)
    segment = gallery.segments.get()
    assert seal.claim(segment_id=segment.pk)
    Segment.objects.filter(pk=segment.pk).update(lease_until=timezone.now() - LEASE)
    queue.sent.clear()

    queue.act(sweep.sweep)
    queue.settle()

    segment.refresh_from_db()
    assert (segment.work_state, segment.indexed_rows) == ("done", 10)
