"""Random histories of one gallery: whatever happened to it, a search finds what a plain list does.

Inserts, removals, cutovers, rollbacks, probations, backfills, publications and the sweeper in any
order, of inputs and bare vectors, with filters; workers are played by hand.
"""

import random
from contextlib import suppress
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from registry.catalog.models import ModelVersion
from registry.catalog.rewriting import REWRITTEN
from registry.core.errors import ConflictError
from registry.core.leases import WorkState
from registry.galleries.models import Backfill, Gallery, Item, Segment, Twin
from registry.galleries.selectors import live_view, stored_inputs
from registry.galleries.services import backfill_steps as steps
from registry.galleries.services import insert, rewrite, seal, sweep, twins
from registry.galleries.services.cutover import plan_for
from registry.galleries.services.publish_again import publish_again
from registry.galleries.services.start_backfill import start_backfill
from tests.builders import backfills as backfilling
from tests.builders import galleries as build
from tests.builders import registry as make
from workers.indexing.chunks import read_chunk
from workers.serving import views
from workers.tasks.backfill import _kept
from workers.tasks.seal_segment import seal_segment

pytestmark = pytest.mark.django_db(databases=["default", "vectors"])

STEPS = 30
PLENTY = 1000


class History:
    """A gallery, what was done to it, and what must be found in it."""

    def __init__(self, seed, engine):
        self.random = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        alias = build.an_alias()
        self.weights = {}
        for dimension in (3, 3, 2, 2):
            matrix = self.numbers.integers(-3, 4, (4, dimension)).astype(np.float32)
            self.weights[build.an_encoder(alias, matrix).pk] = matrix
        self.encoders = list(alias.model.versions.order_by("pk"))
        self.turn = self.numbers.integers(-3, 4, (3, 2)).astype(np.float32)
        self.rewriter = build.an_encoder(alias, self.weights[self.encoders[0].pk] @ self.turn)
        self.weights[self.rewriter.pk] = self.weights[self.encoders[0].pk] @ self.turn
        self.asking = self.encoders[-1]
        said = {"of": self.encoders[0].digest, "by": self.rewriter.digest}
        self.asking.manifest[REWRITTEN] = said
        ModelVersion.objects.filter(pk=self.asking.pk).update(manifest=self.asking.manifest)
        self.transform = make.an_artifact()
        self.gallery = build.a_gallery(self.encoders[0], engine=engine)
        self.inputs, self.uploads, self.bare, self.done = {}, {}, set(), []
        self.count = 0

    @property
    def live(self):
        self.gallery.refresh_from_db()
        return self.gallery.live_view.encoder

    def step(self):
        acts = [
            *5 * [self.insert], self.insert_bare, *2 * [self.remove], *7 * [self.make_twin],
            *2 * [self.promote], *2 * [self.roll_back], self.probation, self.start,
            *6 * [self.backfill], *2 * [self.publish], self.publish_anew, *2 * [self.sweep],
            self.look, *2 * [self.want], self.random.choice([self.expire, self.want_no_more]),
        ]  # fmt: skip
        act = self.random.choice(acts)
        self.done.append(act.__name__)
        act()

    def new_ids(self):
        gone = [name for name in self.inputs if not self.row(name)]
        fresh = [f"item-{self.count + n}" for n in range(self.random.randint(1, 4))]
        self.count += len(fresh)
        again = self.random.sample(gone, min(len(gone), self.random.randint(0, 1)))
        return fresh + again

    def row(self, name):
        return Item.objects.filter(
            gallery=self.gallery, external_id=name, removed_at_revision=None
        ).first()

    def draw(self, ids):
        drawn = self.numbers.integers(-9, 10, (len(ids), 4)).astype(np.float32)
        drawn[:, 3] = self.numbers.normal(size=len(ids))
        self.inputs |= dict(zip(ids, drawn, strict=True))
        return drawn

    def vectors(self, inputs, encoder_id):
        return (np.asarray(inputs, np.float32).reshape(-1, 4) @ self.weights[encoder_id]).astype(
            "<f4"
        )

    def chunk(self, segment_id, vectors):
        data = np.ascontiguousarray(vectors).tobytes()
        store = insert.segment_store(self.gallery.pk, segment_id)
        return store.write([data], max_bytes=len(data)).digest

    def tag(self, ids):
        for name in ids:
            Item.objects.filter(pk=self.row(name).pk).update(
                metadata={"tag": self.random.randint(0, 2)}
            )

    def insert(self):
        upload = make.an_artifact(kind=make.Upload.TABLE)
        batch = insert.submit_inputs(
            gallery=self.gallery, upload=upload, actor=self.gallery.created_by
        )
        job, ids = insert.claim(batch_id=batch.pk), self.new_ids()
        drawn = self.draw(ids)
        self.bare -= set(ids)
        self.uploads[upload.pk] = drawn
        digest = self.chunk(job.segment_id, self.vectors(drawn, self.live.pk))
        assert insert.record_inserted(job=job, chunk_digest=digest, ids=ids)
        self.tag(ids)

    def insert_bare(self):
        ids = self.new_ids()
        drawn = self.draw(ids)
        self.bare |= set(ids)
        vectors = self.vectors(drawn, self.live.pk)
        build.put(self.gallery, dict(zip(ids, vectors.tolist(), strict=True)))
        self.tag(ids)

    def remove(self):
        held = [name for name in self.inputs if self.row(name)]
        if held:
            build.remove(self.gallery, *self.random.sample(held, min(len(held), 2)))

    def make_twin(self):
        waiting = list(Twin.objects.filter(work_state=WorkState.QUEUED))
        if not waiting:
            return
        twin = self.random.choice(waiting)
        if twin.transform_id is not None:
            self.rewrite(twin)
            return
        job = twins.claim(twin_id=twin.pk)
        inputs = np.array([self.uploads[upload][row] for upload, row in job.sources])
        digest = self.chunk(job.segment_id, self.vectors(inputs, twin.encoder_id))
        assert twins.record_twin(job=job, chunk_digest=digest)

    def rewrite(self, twin):
        job = rewrite.claim(twin_id=twin.pk)
        path = insert.segment_store(self.gallery.pk, job.segment_id).path(job.chunk_digest)
        vectors = (read_chunk(path, job.dimension) @ self.turn).astype("<f4")
        digest = self.chunk(job.segment_id, vectors)
        assert twins.record_twin(job=job, chunk_digest=digest)

    def want(self):
        rewrite.want(
            gallery=self.gallery, producer=self.encoders[0], encoder=self.rewriter,
            transform=self.transform,
        )  # fmt: skip

    def want_no_more(self):
        rewrite.want_no_more(gallery=self.gallery, encoder=self.rewriter)

    def other(self):
        return self.random.choice([v for v in self.encoders if v.pk != self.live.pk])

    def alike(self, to):
        """Return the versions whose vectors queries of ``to`` can meet at all."""
        width = self.weights[to.pk].shape[1]
        alike = [one for one in self.encoders if self.weights[one.pk].shape[1] == width]
        return alike + ([self.encoders[0]] if to == self.asking else [])

    def promote(self):
        former, to = self.live, self.other()
        build.move(self.gallery, to, covers=self.alike(to))
        self.gallery.refresh_from_db()
        twins.begin_probation(self.gallery, former)

    def roll_back(self):
        live = self.live
        to = self.gallery.probation_encoder or self.other()
        if to == live or self.random.random() < 0.3:
            to = self.other()
        covers = self.random.choice([self.alike(to), [], []])
        evidence = {one.pk: "tests" for one in covers}
        plan = plan_for(self.gallery, to, evidence, returning=True)
        build.move(self.gallery, to, covers=covers, returning=True)
        self.gallery.refresh_from_db()
        twins.end_probation(self.gallery)
        assert plan.unsearchable_items == self.not_found(), self.done

    def probation(self):
        self.gallery.refresh_from_db()
        twins.begin_probation(self.gallery, self.other())

    def expire(self):
        past = timezone.now() - timedelta(seconds=1)
        Gallery.objects.filter(probation_until__isnull=False).update(probation_until=past)

    def start(self):
        with suppress(ConflictError):
            backfill = start_backfill(
                gallery=self.gallery, actor=self.gallery.created_by, order="oldest"
            )
            backfilling.draw_up(backfill)

    def backfill(self):
        open_one = Backfill.objects.filter(state="running").first()
        if open_one is None:
            return
        Backfill.objects.update(group_rows=3)
        job = steps.claim(backfill_id=open_one.pk)
        ids = backfilling.ids_of(job)
        items = stored_inputs(job.encoder_id, ids)
        inputs = [self.uploads[one.upload_digest][one.row] for one in items]
        digest = self.chunk(job.segment_id, self.vectors(inputs, job.encoder_id)) if ids else ""
        former = _kept(job, ids) if ids else ""
        assert steps.record_moved(
            job=job, chunk_digest=digest, item_ids=ids, busy_s=0, former_digest=former
        )

    def publish(self):
        sweep.sweep()
        if self.gallery.engine != "files":
            for segment in Segment.objects.filter(work_state="queued"):
                seal_segment(segment.pk)
                segment.refresh_from_db()
                assert segment.work_state == "done", segment.error_detail

    def publish_anew(self):
        if self.gallery.engine != "files":
            publish_again(gallery=self.gallery, actor="a person")

    def sweep(self):
        twins.discard_past_probation()

    def look(self):
        views.preparation.look()
        assert not views.preparation.problems

    def expected(self, where):
        """Return score by id of what must be found, by the vectors that the view says."""
        view = live_view(self.gallery.name)
        entries = {segment.segment_id: segment for segment in view.segments}
        query = self.query()
        found = {}
        live = Item.objects.filter(gallery=self.gallery, removed_at_revision=None)
        for item in live.select_related("segment"):
            entry = entries[item.segment_id]
            if any(item.metadata.get(key) != value for key, value in where.items()):
                continue
            if not entry.searchable or entry.dimension != query.shape[1]:
                continue
            if entry.twins_by and not Twin.objects.filter(
                batch=item.batch, encoder=entry.twins_by, work_state="done"
            ):
                continue
            by = entry.twins_by or item.segment.producer_id
            vector = self.vectors(self.inputs[item.external_id], by)
            found[item.external_id] = float((vector @ query.T).item())
        return found

    def query(self):
        return np.ones((1, self.weights[self.live.pk].shape[1]), np.float32)

    def not_found(self):
        return sum(s.live_items for s in self.gallery.segments.all()) - len(self.expected({}))

    def check(self, search):
        for where in ({}, {"tag": 1}):
            wanted = self.expected(where)
            answer = search.ask(
                self.gallery, vector=self.query()[0].tolist(), producer=str(self.live),
                k=PLENTY, filter=where,
            )  # fmt: skip
            found = {hit["id"]: hit["score"] for hit in answer["hits"]}
            assert found.keys() == wanted.keys(), (self.done, answer["skipped"])
            for name, score in wanted.items():
                assert abs(found[name] - score) <= 1e-3 * max(1.0, abs(score)), (name, self.done)
            ranked = [hit["score"] for hit in answer["hits"]]
            assert ranked == sorted(ranked, reverse=True)
            if not where:
                skipped = sum(one["items"] for one in answer["skipped"])
                assert skipped == self.not_found(), self.done
        assert backfilling.counts_are_true(self.gallery)


@pytest.mark.parametrize(("seed", "engine"), [(0, "pgvector"), (1, "files")])
def test_a_search_finds_what_a_plain_list_finds(search, monkeypatch, seed, engine):
    monkeypatch.setattr(seal, "GROWN_ROWS", 2)
    history = History(seed, engine)
    for _ in range(STEPS):
        history.step()
        history.check(search)
