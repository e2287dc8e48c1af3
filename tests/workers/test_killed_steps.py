"""A worker that is killed at any step of publishing or moving vectors leaves the counts exact."""

import time
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from registry.audit.models import LedgerEntry
from registry.audit.selectors import verified_head
from registry.core.data import segment_folders
from registry.core.leases import LEASE
from registry.galleries.models import Backfill, Gallery, InsertBatch, Item, Segment
from registry.galleries.services.insert import segment_store, submit_inputs
from registry.galleries.services.start_backfill import start_backfill
from registry.galleries.services.sweep import discard_drafts
from tests import kills, servers
from tests.builders import backfills, toy
from tests.builders import galleries as build
from tests.builders import registry as make
from tests.processes import Installation, wait_until
from tests.soak import rounds
from tests.workers.serving.test_process import Served, is_alive
from workers.serving.encoders import Encoders
from workers.serving.queries import Query
from workers.serving.search import Search
from workers.serving.segments import Segments
from workers.tasks.backfill import backfill as backfill_step
from workers.tasks.insert_items import insert_items
from workers.tasks.seal_segment import seal_segment

pytestmark = [
    pytest.mark.soak,
    pytest.mark.postgres,
    pytest.mark.process,
    pytest.mark.django_db(transaction=True),
]


def assert_all_is_whole(gallery: Gallery, names: set[str]) -> None:
    """The rows are the hits of an exhaustive search; the ledger and the counts hold."""
    gallery.refresh_from_db()
    dimension = gallery.live_view.insert_segment.dimension
    query = Query(1000, {str(gallery.live_view.encoder): np.ones((1, dimension), np.float32)})
    answer = Search(Segments(), Encoders()).answer(gallery.name, query)
    live = Item.objects.filter(gallery=gallery, removed_at_revision=None)
    ids = sorted(live.values_list("external_id", flat=True))
    assert answer["skipped"] == []
    assert sorted(hit["id"] for hit in answer["hits"]) == ids == sorted(names)
    assert backfills.counts_are_true(gallery)
    verified_head()


def let_the_lease_run_out(model, pk: int) -> None:
    held = model.objects.filter(pk=pk, work_state="running")
    held.update(lease_until=timezone.now() - LEASE)


def assert_drafts_are_swept() -> int:
    """Sweep as if a day had passed; return how many drafts there were."""
    swept = discard_drafts(older_than=time.time() + 1)
    assert not [file for folder in segment_folders() for file in folder.glob("incoming/*")]
    return swept


def test_an_index_is_published_whole_or_not_at_all(soak_row):
    alias = build.an_alias()
    old, new = build.an_encoder(alias), build.an_encoder(alias)
    vectors = {f"item-{n}": [n, 1, 0] for n in range(5)}

    def a_sealed_segment():
        gallery = build.a_gallery(old, vectors)
        build.move(gallery, new, covers=[old])
        return gallery, gallery.segments.get(number=1)

    _, first = a_sealed_segment()
    whole = kills.carried_out(lambda: seal_segment(first.pk))
    drafts = published = 0
    for step in kills.spread(whole.steps, times := rounds(ci=2, full=40)):
        gallery, segment = a_sealed_segment()
        assert kills.carried_out(lambda pk=segment.pk: seal_segment(pk), kill_at=step).was_killed
        assert_all_is_whole(gallery, set(vectors))
        segment.refresh_from_db()
        published += segment.work_state == "done"

        let_the_lease_run_out(Segment, segment.pk)
        kills.carried_out(lambda pk=segment.pk: seal_segment(pk))
        segment.refresh_from_db()
        assert (segment.work_state, segment.sealed_rows) == ("done", len(vectors))
        assert segment_store(gallery.pk, segment.pk).verified_path(segment.index_digest)
        sealed = LedgerEntry.objects.filter(
            action="gallery.seal", subject=f"gallery:{gallery.name}"
        )
        assert sealed.count() == 1
        assert_all_is_whole(gallery, set(vectors))
        drafts += assert_drafts_are_swept()
    soak_row(
        f"workers killed while they publish an index ({whole.steps} steps)",
        str(times),
        f"{times - published} times the old state, {published} the new one; then sealed once, "
        f"items exact, ledger verified; {drafts} drafts, all swept",
    )


@pytest.fixture
def shelf() -> Gallery:
    """A gallery whose items wait to be moved to the live encoder."""
    alias = make.an_alias(make.a_model(task="embedding"))
    first, second = (
        backfills.a_runnable_version(alias, toy.encoder(kind)) for kind in ("old", "compatible")
    )
    build.point(alias, first)
    gallery = make.a_gallery(alias)
    upload = make.an_artifact(toy.items(rounds(ci=20, full=200)), kind=make.Upload.TABLE)
    batch = submit_inputs(gallery=gallery, upload=upload, actor=gallery.created_by)
    insert_items(batch.pk)
    build.move(gallery, second, covers=[first])
    gallery.refresh_from_db()
    return gallery


def test_a_step_of_a_backfill_is_done_whole_or_not_at_all(shelf, soak_row):
    names = {str(name) for name in toy.ids(rounds(ci=20, full=200), "item")}
    assert_all_is_whole(shelf, names)
    pk = start_backfill(gallery=shelf, actor=shelf.created_by, order="oldest").pk

    def step_of(kill_at=None):
        """Carry out one step of two items in a process; return how it ended."""
        Backfill.objects.filter(pk=pk, state="running").update(group_rows=2)
        return kills.carried_out(lambda: backfill_step(pk), kill_at=kill_at)

    def handled():
        found = Backfill.objects.get(pk=pk)
        return found.handled + bool(found.order_digest)

    assert step_of(0).was_killed
    assert step_of().steps
    steps = min(step_of().steps, step_of().steps)
    drafts = done = killed = 0
    for step in kills.spread(steps, rounds(ci=2, full=40)):
        before = handled()
        killed += step_of(step).was_killed
        assert handled() in {before, before + 2}
        assert_all_is_whole(shelf, names)
        done += handled() != before

        let_the_lease_run_out(Backfill, pk)
        now = handled()
        step_of()
        assert handled() == now + 2
        assert_all_is_whole(shelf, names)
        drafts += assert_drafts_are_swept()
    assert killed >= rounds(ci=2, full=35)
    found = Backfill.objects.get(pk=pk)
    moved = Item.objects.filter(gallery=shelf, removed_at_revision=None)
    assert moved.filter(segment=shelf.live_view.insert_segment).count() == found.moved
    assert InsertBatch.objects.filter(backfill=pk).count() * 2 == found.moved
    assert (found.skipped, found.failed) == (0, 0)
    soak_row(
        f"workers killed in a step of a backfill ({steps} steps)",
        str(killed),
        f"{killed - done} times the old state, {done} the new one; every item moved once or not "
        f"at all, items exact, ledger verified; {drafts} drafts, all swept",
    )


def test_a_search_process_that_is_killed_comes_back_with_every_item(
    processes, postgres_folder, soak_row
):
    alias = build.an_alias()
    old, new = build.an_encoder(alias), build.an_encoder(alias)
    vectors = {f"item-{n}": [n, 1, 0] for n in range(5)}
    gallery = build.a_gallery(old, vectors)
    database = servers.postgres_url(postgres_folder, connection.settings_dict["NAME"])
    installation = Installation.full(Path(settings.REGISTRY_DATA_DIR), database, "memory://")
    installation.environment.update(
        SEARCH_SECRET=settings.SEARCH_SECRET, SECRET_KEY=settings.SECRET_KEY
    )
    (installation.folder / "search_secret").write_text(settings.SEARCH_SECRET)
    for number in range(times := rounds(ci=1, full=20)):
        served = Served(processes, installation)
        encoder = (new, old)[number % 2]
        build.move(gallery, encoder, covers=[old, new])
        family = served.family()
        served.process.kill(whole_group=bool(number % 2))
        wait_until(lambda f=family: not any(map(is_alive, f)), what="the end of what it started")

        again = Served(processes, installation)
        answer = again.ask(gallery.name, input=[1.0, 2.0, 3.0, 4.0], k=1000)
        gallery.refresh_from_db()
        assert (answer["epoch"], answer["encoder"]) == (gallery.epoch, str(encoder))
        assert {hit["id"] for hit in answer["hits"]} == set(vectors)
        assert len(answer["hits"]) == len(vectors)
        assert_all_is_whole(gallery, set(vectors))
        family = again.family()
        again.process.kill()
        wait_until(lambda f=family: not any(map(is_alive, f)), what="the end of what it started")
    soak_row(
        "search processes killed as a cutover reaches them",
        str(times),
        "the new epoch at once, items exact, ledger verified",
    )
