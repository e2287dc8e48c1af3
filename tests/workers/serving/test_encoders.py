"""One warm encoder for each version in use: none ends while it works, none stays for nothing."""

import threading

import numpy as np
import pytest

from compat.verdict import Outcome
from registry.core.data import artifact_store
from registry.upgrades.services.promote import promote
from tests.builders import registry as registered
from tests.builders.galleries import a_gallery, an_alias, an_encoder, move
from tests.builders.registry import a_model, a_version
from tests.processes import wait_until
from workers.errors import PermanentError, TransientError
from workers.serving import preparation, views
from workers.serving.encoders import Encoders, resident
from workers.serving.errors import SearchError

pytestmark = pytest.mark.django_db

SAMPLE = np.ones((1, 4), dtype=np.float32)


class Watched:
    """An encoder that notes when it is closed and can be made to wait."""

    def __init__(self, version):
        self.version = version
        self.working = threading.Event()
        self.may_go = threading.Event()
        self.may_go.set()
        self.closed = False
        self.warmed = 0
        self.restarts = 0

    def run(self, inputs):
        self.working.set()
        assert self.may_go.wait(10)
        assert not self.closed
        return np.full((1, 3), self.version.number, dtype=np.float32)

    def warm(self):
        self.warmed += 1

    def close(self):
        self.closed = True


@pytest.fixture
def started():
    return []


@pytest.fixture
def encoders(started):
    def start(version):
        started.append(Watched(version))
        return started[-1]

    return Encoders(start)


@pytest.fixture
def two():
    alias = an_alias()
    return an_encoder(alias), an_encoder(alias)


def test_a_version_is_started_once_and_kept(encoders, started, two):
    for _ in range(3):
        assert encoders.encode(two[0], SAMPLE)[0, 0] == two[0].number
    encoders.warm(two[1])

    assert [one.version for one in started] == list(two)
    assert [one.warmed for one in started] == [0, 1]


def test_what_no_view_needs_is_ended(encoders, started, two):
    for version in two:
        encoders.encode(version, SAMPLE)

    encoders.keep_only({two[1].pk})

    assert [one.closed for one in started] == [True, False]
    assert encoders.held() == {two[1].pk}


def test_an_encoder_at_work_is_ended_when_it_is_done(encoders, started, two):
    encoders.warm(two[0])
    started[0].may_go.clear()
    results = []
    thread = threading.Thread(target=lambda: results.append(encoders.encode(two[0], SAMPLE)))
    thread.start()
    assert started[0].working.wait(10)

    encoders.keep_only(())
    assert not started[0].closed
    started[0].may_go.set()
    thread.join()

    assert started[0].closed
    assert len(results) == 1


def test_an_encoder_that_was_ended_is_started_again_for_a_late_request(encoders, started, two):
    encoders.encode(two[0], SAMPLE)
    encoders.keep_only(())

    encoders.encode(two[0], SAMPLE)

    assert [one.closed for one in started] == [True, False]


def test_restarts_of_encoders_that_were_ended_still_count(encoders, started, two):
    for version in two:
        encoders.warm(version)
    started[0].restarts, started[1].restarts = 2, 1

    encoders.keep_only({two[1].pk})

    assert encoders.restarts() == 3


def code_of(call, *arguments):
    with pytest.raises(SearchError) as refused:
        call(*arguments)
    return refused.value.code


def test_a_version_of_recorded_outputs_cannot_encode():
    version = a_version(a_model(task="embedding"), recorded=True)

    assert code_of(Encoders().warm, version) == "encoder_unavailable"


def test_an_artifact_that_changed_is_never_started(two):
    path = artifact_store().path(two[0].artifact_id)
    data = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

    assert code_of(Encoders().encode, two[0], SAMPLE) == "encoder_unavailable"
    assert code_of(Encoders().warm, two[0]) == "encoder_unavailable"


def test_a_busy_encoder_says_so(encoders, started, two, monkeypatch):
    def busy(*_):
        raise TransientError("other requests")

    monkeypatch.setattr(Watched, "run", busy)

    assert code_of(encoders.encode, two[0], SAMPLE) == "busy"


def test_a_child_of_a_version_runs_its_graph():
    weights = np.arange(12).reshape(4, 3)
    version = an_encoder(weights=weights)
    encoders = Encoders(resident)

    vector = encoders.encode(version, SAMPLE)

    np.testing.assert_allclose(vector, weights.sum(axis=0)[None])
    encoders.keep_only(())
    assert encoders.held() == set()


@pytest.fixture
def watched(search_process, monkeypatch, started):
    """The encoders that the search process starts."""

    def start(version):
        started.append(Watched(version))
        return started[-1]

    monkeypatch.setattr(search_process.encoders, "_start", start)
    return started


def look(times=1):
    for _ in range(times):
        views.preparation.look()


def test_a_cutover_warms_the_new_encoder_and_the_former_stays_for_a_rollback(
    search_process, watched, two
):
    gallery = a_gallery(two[0], {"a": [1, 0, 0]})

    look(2)
    assert [one.warmed for one in watched] == [1]
    assert search_process.segments.held() == {(gallery.segments.get().pk, 0)}
    move(gallery, two[1])
    look(3)

    assert [(one.version, one.closed) for one in watched] == [(two[0], False), (two[1], False)]
    move(gallery, two[0])
    look(3)
    assert len(watched) == 2, "an encoder was started that was warm"


def test_what_came_before_the_former_encoder_is_ended(search_process, watched, two):
    third = an_encoder(two[0].model.aliases.get())
    gallery = a_gallery(two[0], {"a": [1, 0, 0]})
    for encoder in (two[1], third):
        look(3)
        move(gallery, encoder)
    look(3)

    assert [(one.version, one.closed) for one in watched] == [
        (two[0], True),
        (two[1], False),
        (third, False),
    ]


def test_candidates_that_may_be_promoted_are_warm_before_the_cutover(search_process, watched):
    gallery = registered.a_gallery(items=2)
    registered.a_promoted_upgrade(gallery.alias)
    serving = gallery.alias.version
    failed = registered.a_judged_upgrade(gallery.alias, outcome=Outcome.FAILED, flips=400)
    passed = [registered.a_judged_upgrade(gallery.alias) for _ in range(3)]

    look(1 + 4)

    wanted = {passed[1].candidate_id, passed[2].candidate_id}
    assert search_process.encoders.held() > wanted | {serving.pk}
    assert not search_process.encoders.held() & {failed.candidate_id, passed[0].candidate_id}
    count = len(watched)
    promote(upgrade_id=passed[2].pk, actor=gallery.created_by)
    assert search_process.encoders.encode(passed[2].candidate, SAMPLE).any()
    look(4)
    assert passed[2].candidate_id in search_process.encoders.held()
    started_since = {one.version for one in watched[count:]}
    assert passed[2].candidate not in started_since, "a warm encoder was started again"


def test_an_encoder_that_may_come_and_does_not_start_harms_no_gallery(search_process, watched, two):
    gallery = a_gallery(two[0], {"a": [1, 0, 0]})
    move(gallery, two[1])
    asked = []

    def fails(version):
        if version == two[0]:
            asked.append(version)
            raise PermanentError("child_crashed", "no")
        return Watched(version)

    search_process.encoders._start = fails
    look(3)

    assert asked == [two[0]], "it is not tried at every look"
    assert views.preparation.problems == {}
    assert views.preparation.is_ready


def test_a_gallery_whose_encoder_does_not_start_is_named_by_health(search_process, search, two):
    assert search.client.get("/health/").status_code == 503
    gallery = a_gallery(two[0])
    artifact_store().path(two[0].artifact_id).unlink()

    views.preparation.look()

    response = search.client.get("/health/")
    answer = response.json()
    assert (response.status_code, answer["alive"], answer["ready"]) == (200, True, True)
    assert [(p["gallery"], p["code"]) for p in answer["problems"]] == [
        (gallery.name, "encoder_unavailable")
    ]


def test_a_gallery_that_could_not_be_prepared_is_tried_again(search_process, two, monkeypatch):
    a_gallery(two[0])
    path = artifact_store().path(two[0].artifact_id)
    path.rename(path.with_suffix(".away"))
    views.preparation.look()
    assert views.preparation.problems
    path.with_suffix(".away").rename(path)

    views.preparation.look()
    assert views.preparation.problems, "it is not tried at every look"
    monkeypatch.setattr(preparation, "RETRY_AFTER_S", -1)
    views.preparation._retry_at = dict.fromkeys(views.preparation.problems, 0.0)
    views.preparation.look()

    assert not views.preparation.problems


def test_the_search_process_ends_its_children(search_process, two):
    search_process.encoders.warm(two[0])
    child = search_process.encoders._held[two[0].pk].child._child

    search_process.encoders.keep_only(())

    wait_until(lambda: child.poll() is not None, timeout_s=10, what="the end of the child")
