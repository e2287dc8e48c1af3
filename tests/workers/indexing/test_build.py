"""The rule of size, and what an index must reach before it takes the place of a flat one."""

import numpy as np
import pytest

from workers.indexing import build, choice
from workers.indexing.choice import Kind, kind_for, lists_for
from workers.indexing.faiss_approximate import FaissApproximate
from workers.indexing.faiss_flat import FaissFlat
from workers.indexing.live import Live
from workers.indexing.protocol import Distance
from workers.indexing.publish import INDEX_FILE, read_index, write_index

approximate_kinds = pytest.mark.parametrize("kind", [Kind.HNSW, Kind.IVF_SQ8])


def a_flat(rows=3000, dimension=16, *, spread=0.4, distance=Distance.EUCLIDEAN):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(100, dimension))
    near = centres[rng.integers(0, 100, rows)] + spread * rng.normal(size=(rows, dimension))
    flat = FaissFlat(dimension, distance)
    flat.add(near.astype(np.float32))
    return flat


def built(flat, kind, **options):
    return build.chosen(flat, lambda block: None, kind=kind, **options)


@pytest.mark.parametrize(
    ("rows", "dimension", "kind"),
    [
        (0, 64, "flat"),
        (50_000, 64, "flat"),
        (50_001, 64, "hnsw"),
        (1_000_000, 64, "hnsw"),
        (1_000_001, 64, "ivf_sq8"),
        (10_000, 2048, "flat"),
        (10_001, 2048, "hnsw"),
        (131_072, 2048, "hnsw"),
        (131_073, 2048, "ivf_sq8"),
        (10**9, 64, "ivf_sq8"),
    ],
)
def test_the_kind_of_an_index_follows_from_rows_and_dimension(rows, dimension, kind):
    assert kind_for(rows, dimension) == kind


@pytest.mark.parametrize("rows", [1, 63, 10_000, 10**6, 10**7, 10**9])
def test_every_list_has_rows_to_be_trained_on_and_the_sample_is_bounded(rows):
    lists = lists_for(rows)

    assert lists >= 1
    assert min(rows, choice.SAMPLE_AT_MOST) / lists >= (39 if rows >= 39 else 1)


@approximate_kinds
def test_what_finds_too_little_is_published_flat_and_says_so(kind):
    flat = a_flat()

    result = built(flat, kind, floor=1.01)

    assert result.index is flat
    assert result.recall_at_10 == 1.0
    assert result.note.startswith(f"{kind} found ")
    assert "1.01 is asked" in result.note


@approximate_kinds
def test_recall_is_what_a_count_by_hand_gives(kind, monkeypatch):
    """With the least effort it is below one, so that there is something to count."""
    monkeypatch.setattr(build, "EFFORTS", {kind: (1,)})
    flat = a_flat(spread=3.0)

    result = built(flat, kind, floor=0.0)

    measured = build._held_back(len(flat))[1::2]
    shares = []
    for row in measured:
        near = [
            [r for r in index.search(flat.vector(int(row))[None], 11)[1][0] if r != row][:10]
            for index in (flat, result.index)
        ]
        shares.append(len({*near[0]} & {*near[1]}) / 10)
    assert 0.1 < result.recall_at_10 < 0.97
    assert result.recall_at_10 == pytest.approx(np.mean(shares))


@approximate_kinds
def test_the_effort_grows_until_the_recall_is_reached_and_is_kept_in_the_file(
    kind, tmp_path, monkeypatch
):
    monkeypatch.setattr(build, "EFFORTS", {kind: (2, 4, 8, 16, 32)})
    easy, hard = built(a_flat(), kind), built(a_flat(spread=3.0), kind, floor=0.0)

    assert easy.index.effort < hard.index.effort
    written = write_index(hard.index, tmp_path)
    read = read_index(
        tmp_path / INDEX_FILE, digest=written.sha256, dimension=16, distance=Distance.EUCLIDEAN
    )
    assert read.effort == hard.index.effort


def test_of_equal_rows_it_does_not_matter_which_is_found():
    flat = FaissFlat(2, Distance.INNER_PRODUCT)
    flat.add(np.ones((1000, 2), dtype=np.float32))

    assert built(flat, Kind.IVF_SQ8).recall_at_10 == 1.0


@approximate_kinds
@pytest.mark.parametrize("distance", list(Distance))
def test_the_same_rows_make_the_same_bytes(kind, distance, tmp_path):
    digests = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        flat = a_flat(distance=Distance.EUCLIDEAN)
        index = built(flat, kind).index
        assert isinstance(index, FaissApproximate)
        digests.add(write_index(index, tmp_path / name).sha256)

    assert len(digests) == 1


def test_centroids_are_trained_on_a_bounded_sample_without_the_rows_that_measure(monkeypatch):
    monkeypatch.setattr(choice, "SAMPLE_AT_MOST", 500)
    held_back = build._held_back(3000)

    sample = build._sample(3000, 40, held_back)

    assert len(sample) == len({*sample.tolist()}) == 500
    assert not {*sample.tolist()} & {*held_back.tolist()}


def test_progress_is_told_block_by_block(monkeypatch):
    monkeypatch.setattr(build, "BLOCK_ROWS", 1000)
    blocks = []

    build.chosen(a_flat(rows=2500), blocks.append, kind=Kind.HNSW)

    assert blocks == [1, 2, 3]
    assert build.blocks_of(Kind.HNSW, 2500) == 3
    assert build.blocks_of(Kind.FLAT, 2500) == 0


def test_no_effort_is_tried_that_costs_more_than_to_compare_every_row(monkeypatch):
    monkeypatch.setattr(build, "EFFORTS", {Kind.IVF_SQ8: (2, 1000)})
    monkeypatch.setattr(choice, "RECALL_AIMED_AT", 1.01)

    assert built(a_flat(), Kind.IVF_SQ8).index.effort == 2


def test_more_lists_are_read_for_more_neighbours_and_where_rows_are_hidden():
    index = built(a_flat(), Kind.IVF_SQ8).index
    index.effort = 3

    assert index.lists_read(10) == 3  # 16 rows for each neighbour lie in three of the 46 lists
    assert index.lists_read(100) == 25
    assert index.lists_read(1000) == 46
    assert index.lists_read(10, share=0.5) == 6


def test_effort_is_kept_up_where_rows_are_hidden(monkeypatch):
    index, asked = built(a_flat(), Kind.IVF_SQ8).index, []
    monkeypatch.setattr(
        FaissApproximate, "lists_read", lambda self, k, share=1.0: asked.append(share) or 4
    )

    index.search(np.zeros((1, 16), np.float32), 10, Live(np.arange(3000) % 4 == 0))

    assert asked == [0.25]


def test_rows_that_compression_cannot_tell_apart_are_told_apart_by_their_float32_rows():
    """One long row makes the steps of the bytes wide: of those that are left, all look alike."""
    rows = 0.01 * np.random.default_rng(0).normal(size=(3000, 8)).astype(np.float32)
    rows[::100] *= 20
    flat = FaissFlat(8, Distance.EUCLIDEAN)
    flat.add(rows)

    assert built(flat, Kind.IVF_SQ8).recall_at_10 >= choice.RECALL_FLOOR
