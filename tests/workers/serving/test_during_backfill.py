"""While items move between segments, every search finds each of them once."""

import time

import numpy as np
import pytest
from django.utils import timezone

from registry.galleries.models import Backfill, Item
from registry.galleries.services import backfill_steps as steps
from registry.galleries.services.insert import segment_store
from tests.builders.galleries import a_gallery, an_alias, an_encoder, move
from tests.soak import rounds
from tests.workers.serving.test_no_mixture import Searcher
from workers.serving import search as module
from workers.serving.queries import Query

pytestmark = pytest.mark.django_db(transaction=True)

GROUP = 2


def a_backfill(gallery):
    """Return a backfill with its order drawn up, though the items came as vectors."""
    gallery.refresh_from_db()
    return Backfill.objects.create(
        gallery=gallery,
        encoder=gallery.live_view.encoder,
        epoch=gallery.epoch,
        order_digest="a" * 64,
        group_rows=GROUP,
        total=gallery.items.filter(removed_at_revision=None).count(),
        created_by=gallery.created_by,
        created_at=timezone.now(),
    )


def move_all(gallery, vectors):
    """Backfill the gallery in small groups, as if both encoders made the same vectors."""
    backfill = a_backfill(gallery)
    pending = Item.objects.filter(gallery=gallery, removed_at_revision=None).order_by("pk")
    for item_ids in np.array_split([item.pk for item in pending], backfill.total // GROUP):
        job = steps.claim(backfill_id=backfill.pk)
        names = Item.objects.in_bulk(item_ids.tolist())
        block = np.array([vectors[names[pk].external_id] for pk in item_ids.tolist()], "<f4")
        files = segment_store(gallery.pk, job.segment_id)
        digest = files.write([block.tobytes()], max_bytes=block.nbytes).digest
        moving = {"chunk_digest": digest, "item_ids": item_ids.tolist(), "busy_s": 0.1}
        assert steps.record_moved(job=job, **moving)
        Backfill.objects.filter(pk=backfill.pk).update(group_rows=GROUP)
        time.sleep(0.05)
    backfill.refresh_from_db()
    assert (backfill.state, backfill.moved) == ("done", backfill.total)


def test_an_item_that_a_cutover_and_a_backfill_move_during_a_search_is_found(
    search_process, monkeypatch
):
    alias = an_alias()
    first, second = an_encoder(alias), an_encoder(alias)
    vectors = {"a": [1, 0, 0], "b": [2, 0, 0]}
    gallery = a_gallery(first, vectors)
    found, epochs = module._found, []

    def found_before_they_move(*arguments):
        answer = found(*arguments)
        epochs.append(gallery.epoch)
        if len(epochs) == 1:  # the only segment was the one that takes inserts
            move(gallery, second, covers=[first])
            move_all(gallery, vectors)
        return answer

    monkeypatch.setattr(module, "_found", found_before_they_move)
    answer = search_process.answer(gallery.name, Query(5, item_id="a"))

    assert [hit["id"] for hit in answer["hits"]] == ["b"]
    assert (epochs, answer["epoch"]) == ([1, 2], 2)


@pytest.mark.soak
def test_a_search_during_a_backfill_finds_every_item_once(search_process, soak_row):
    alias = an_alias()
    first, second = an_encoder(alias), an_encoder(alias)
    vectors = {f"item-{n:02d}": [n + 1, (n * 7) % 5, -n] for n in range(20)}
    gallery = a_gallery(first, vectors)
    asked = {str(version): np.ones((1, 3), np.float32) for version in (first, second)}
    searchers = [
        *(Searcher(search_process, gallery, Query(1000, vectors={n: v})) for n, v in asked.items()),
        Searcher(search_process, gallery, Query(1000, item_id="item-07")),
    ]
    for searcher in searchers:
        searcher.start()

    for number in range(turns := rounds(ci=2, full=40)):
        move(gallery, (second, first)[number % 2], covers=[first, second])
        move_all(gallery, vectors)
    for searcher in searchers:
        searcher.over.set()
        searcher.join()

    assert [searcher.failures for searcher in searchers] == [[], [], []]
    wanted = {name: float(sum(vector)) for name, vector in vectors.items()}
    for searcher in searchers[:2]:
        assert set(searcher.refusals) <= {"wrong_producer"}
        for answer in searcher.answers:
            found = [(hit["id"], hit["score"]) for hit in answer["hits"]]
            assert sorted(found) == sorted(wanted.items())
    assert searchers[2].refusals == []
    for answer in searchers[2].answers:  # it meets the vectors of its own version only
        names = {hit["id"] for hit in answer["hits"]}
        assert "item-07" not in names
        assert len(names) == len(answer["hits"])
        assert len(names) + sum(s["items"] for s in answer["skipped"]) == len(vectors) - 1
    answers = sum(len(searcher.answers) for searcher in searchers)
    soak_row("searches during backfills", str(answers), f"{turns} turns: each item once")
