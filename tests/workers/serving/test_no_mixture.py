"""While the live pointer moves, every answer comes from one epoch, with its encoder alone."""

import threading
import time

import numpy as np
import pytest
from django.db import connections

from registry.catalog.models import ModelVersion
from registry.core.data import artifact_store
from registry.galleries.models import Cutover
from tests.builders.galleries import a_gallery, an_alias, an_encoder, move, put, remove
from workers.runners.onnx_runner import OnnxRunner
from workers.serving.errors import SearchError
from workers.serving.queries import Query

pytestmark = pytest.mark.django_db(transaction=True)

CUTOVERS = 30
SAMPLE = np.array([[1, 2, 3, 4]], dtype=np.float32)


class InThisThread(OnnxRunner):
    """The encoder without its child: the graph itself is the real one."""

    restarts = 0

    def __init__(self, version: ModelVersion) -> None:
        model = artifact_store().path(version.artifact_id).read_bytes()
        super().__init__(model, version.manifest)

    def close(self) -> None:
        """Nothing to end."""


class Searcher(threading.Thread):
    """Searches until told to stop and keeps what it was answered."""

    def __init__(self, search, gallery, query):
        super().__init__()
        self.search, self.gallery, self.query = search, gallery, query
        self.over = threading.Event()
        self.answers, self.refusals, self.failures = [], [], []

    def run(self):
        try:
            while not self.over.is_set():
                try:
                    self.answers.append(self.search.answer(self.gallery.name, self.query))
                except SearchError as exc:
                    self.refusals.append(exc.code)
        except BaseException as exc:
            self.failures.append(exc)
        finally:
            connections.close_all()


def test_a_search_during_cutovers_sees_one_epoch_one_encoder_and_every_item(search_process):
    search_process.encoders._start = InThisThread
    alias = an_alias()
    weights = {}
    for scale in (1, 100):
        matrix = np.arange(12).reshape(4, 3) * scale + 1
        weights[an_encoder(alias, matrix)] = matrix
    first, second = weights
    vectors = {f"item-{n:02d}": [n + 1, (n * 7) % 5, -n] for n in range(30)}
    gallery = a_gallery(first, vectors)
    vector = Query(1000, {str(first): np.ones((1, 3), np.float32)})
    searchers = [
        Searcher(search_process, gallery, query)
        for query in (Query(1000, sample=SAMPLE), Query(1000, sample=SAMPLE), vector)
    ]
    for searcher in searchers:
        searcher.start()

    for number in range(CUTOVERS):
        move(gallery, (second, first)[number % 2], covers=[first, second])
        put(gallery, {"passing": [number, 0, 0]})
        time.sleep(0.01)
        remove(gallery, "passing")
    for searcher in searchers:
        searcher.over.set()
        searcher.join()

    assert [searcher.failures for searcher in searchers] == [[], [], []]
    existed = {
        (c.epoch, c.to_view.number): str(c.to_view.encoder)
        for c in Cutover.objects.filter(gallery=gallery)
    }
    assert len(existed) == CUTOVERS + 1
    by_name = {str(version): matrix for version, matrix in weights.items()}
    seen = set()
    for answer in searchers[0].answers + searchers[1].answers:
        seen.add(answer["epoch"])
        assert existed[answer["epoch"], answer["view"]] == answer["encoder"]
        query = SAMPLE[0] @ by_name[answer["encoder"]]
        found = {hit["id"]: hit["score"] for hit in answer["hits"]}
        assert len(found) == len(answer["hits"])
        found.pop("passing", None)
        assert found == {name: float(query @ np.array(v)) for name, v in vectors.items()}
        assert answer["skipped"] == []
    assert len(seen) > CUTOVERS / 4, "the searches did not overlap the cutovers"
    assert searchers[0].refusals == searchers[1].refusals == []
    assert {answer["encoder"] for answer in searchers[2].answers} == {str(first)}
    assert set(searchers[2].refusals) <= {"wrong_producer"}
