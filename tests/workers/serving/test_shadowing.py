"""Shadow mode: what is sampled, when, and that no user can tell."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from django.core.signals import request_finished
from django.db import OperationalError, close_old_connections
from django.utils import timezone

from registry.upgrades import would_be as planning
from registry.upgrades.models import Shadow, Upgrade
from registry.upgrades.services.propose import propose
from registry.upgrades.shadows import shadow_result
from tests.builders import registry as build
from tests.builders.galleries import a_gallery, an_alias, an_encoder, move
from workers.serving import shadowing, views
from workers.serving.preview import Preview
from workers.serving.samples import Samples
from workers.serving.shadowing import Shadowing

pytestmark = pytest.mark.django_db

AXES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])
TURNED = AXES[:, [1, 0, 2]]
EAST = [1.0, 0.0, 0.0, 0.0]


@pytest.fixture
def upgrade(monkeypatch):
    """A judged candidate that covers the vectors of the old version."""
    alias = an_alias()
    gallery = a_gallery(an_encoder(alias, AXES), {"x": [1, 0, 0], "y": [0, 1, 0], "z": [0, 0, 1]})
    made = propose(alias=gallery.alias, candidate=an_encoder(alias, TURNED), actor=build.a_user())
    Upgrade.objects.filter(pk=made.pk).update(state="judged")
    real = planning.grounds_of

    def covered(upgrade_id):
        found = real(upgrade_id)
        evidence = {found.upgrade.alias.version_id: "verdict:1"}
        return replace(found, evidence=evidence, verdict_stands=True)

    monkeypatch.setattr(shadowing, "grounds_of", covered)
    made.refresh_from_db()
    return made


@pytest.fixture
def gallery(upgrade):
    return upgrade.alias.galleries.get()


@pytest.fixture
def shadow(upgrade):
    return Shadow.objects.create(
        upgrade=upgrade, alias_epoch=upgrade.alias.epoch, share=1.0,
        started_by=build.a_user(), started_at=timezone.now(),
    )  # fmt: skip


@pytest.fixture
def follow(search_process, monkeypatch, shadow):
    """Return a way to let the sampler of this process look, work and flush, as its thread does."""

    def made(**how):
        preview = Preview(search_process, Samples(), keep=views.preparation.keep)
        sampler = Shadowing(preview, seed=1, **how)
        monkeypatch.setattr(views, "shadowing", sampler)
        sampler.look()
        return sampler

    return made


def settle(sampler):
    while sampler.work():
        pass
    sampler.flush()


def test_the_user_sees_the_live_answer_and_the_shadow_counts_how_the_other_differs(
    search, follow, gallery, shadow, upgrade
):
    sampler = follow()

    answer = search.ask(gallery, input=[3.0, 2.0, 1.0, 0.0], k=2)
    search.ask(gallery, input=[3.0, 0.0, 1.0, 0.0], k=2)
    settle(sampler)

    assert answer["encoder"] == str(upgrade.alias.version)
    assert [hit["id"] for hit in answer["hits"]] == ["x", "y"]
    result = shadow_result(upgrade)
    assert (result.queries, result.failed, result.not_comparable) == (2, 0, 0)
    assert result.mean_overlap == pytest.approx(0.75)
    assert result.top1_changed == 2
    assert result.live_p95_ms is not None
    assert result.candidate_p95_ms is not None


def test_a_candidate_that_may_be_asked_for_nothing_is_not_compared(
    search, follow, gallery, upgrade, monkeypatch
):
    real = planning.grounds_of
    nothing = {"evidence": {}, "dual": {}, "verdict_stands": True}
    monkeypatch.setattr(shadowing, "grounds_of", lambda pk: replace(real(pk), **nothing))
    sampler = follow()

    search.ask(gallery, input=EAST)
    settle(sampler)

    result = shadow_result(upgrade)
    assert (result.queries, result.failed, result.not_comparable) == (0, 0, 1)


def test_nothing_is_done_before_the_answer_was_sent(search_process, follow, gallery):
    sampler = follow()
    query = views.parse(b'{"input": [1.0, 0, 0, 0]}')
    response = sampler.followed(gallery.name, query, search_process.answer(gallery.name, query))

    assert not sampler.work()
    request_finished.disconnect(close_old_connections)  # as the client of Django's tests does
    try:
        response.close()
    finally:
        request_finished.connect(close_old_connections)
    assert sampler.work()


def test_without_a_shadow_the_answer_is_a_plain_one(search_process, follow, gallery, shadow):
    Shadow.objects.update(state="over")
    sampler = follow()
    query = views.parse(b'{"input": [1.0, 0, 0, 0]}')

    response = sampler.followed(gallery.name, query, search_process.answer(gallery.name, query))

    assert not isinstance(response, shadowing.Followed)


def test_a_share_of_the_queries_is_sampled(search_process, follow, gallery, shadow):
    Shadow.objects.update(share=0.25)
    sampler = follow(room=1000)
    query = views.parse(b'{"item_id": "x"}')
    answer = search_process.answer(gallery.name, query)

    for _ in range(400):
        sampler.offer(gallery.name, query, answer)
    settle(sampler)

    shadow.refresh_from_db()
    assert 70 <= shadow.queries <= 130


def test_what_finds_no_room_is_dropped_and_counted(search, follow, gallery, shadow):
    sampler = follow(room=2)

    for _ in range(5):
        assert search.ids(gallery, input=EAST, k=1) == ["x"]
    settle(sampler)

    shadow.refresh_from_db()
    assert (shadow.queries, shadow.compared, shadow.dropped) == (5, 2, 3)


def test_while_the_verdict_does_not_stand_nothing_is_compared(
    search, follow, gallery, shadow, monkeypatch
):
    covered = shadowing.grounds_of
    monkeypatch.setattr(
        shadowing, "grounds_of", lambda pk: replace(covered(pk), verdict_stands=False)
    )
    sampler = follow()

    search.ask(gallery, input=EAST)
    settle(sampler)

    shadow.refresh_from_db()
    assert (shadow.queries, shadow.compared, shadow.not_comparable) == (1, 0, 1)


def test_what_an_upgrade_offers_is_kept_no_longer_than_its_shadow_runs(
    search, follow, gallery, upgrade
):
    sampler = follow()
    search.ask(gallery, input=EAST)
    settle(sampler)
    assert list(sampler._grounds) == [upgrade.pk]

    Shadow.objects.update(state="over")
    sampler.look()

    assert sampler._grounds == {}


def test_vectors_and_items_without_inputs_are_not_comparable(search, follow, gallery, shadow):
    sampler = follow()

    search.ask(gallery, vector=[1, 0, 0], producer=str(gallery.live_view.encoder))
    search.ask(gallery, item_id="x")
    settle(sampler)

    shadow.refresh_from_db()
    assert (shadow.queries, shadow.not_comparable) == (2, 2)


def test_a_candidate_that_does_not_run_is_counted_and_no_user_notices(
    search, search_process, follow, gallery, shadow, upgrade, monkeypatch
):
    real = search_process.encoders.encode

    def encode(version, sample):
        if version.pk == upgrade.candidate_id:
            raise shadowing.SearchError("encoder_unavailable", "it does not start")
        return real(version, sample)

    monkeypatch.setattr(search_process.encoders, "encode", encode)
    sampler = follow()

    assert search.ids(gallery, input=EAST, k=1) == ["x"]
    settle(sampler)

    shadow.refresh_from_db()
    assert (shadow.queries, shadow.failed) == (1, 1)
    assert shadow.last_failure.startswith("encoder_unavailable")


def test_an_answer_of_another_epoch_is_not_compared(search, follow, gallery, shadow):
    sampler = follow()
    search.ask(gallery, input=EAST)
    move(gallery, an_encoder(gallery.alias, AXES * 2), covers=[gallery.live_view.encoder])

    settle(sampler)

    shadow.refresh_from_db()
    assert (shadow.queries, shadow.not_comparable) == (1, 1)


def test_figures_that_cannot_be_written_are_kept_for_the_next_time(
    search, follow, gallery, shadow, monkeypatch
):
    sampler = follow()
    search.ask(gallery, input=EAST)
    assert sampler.work()
    real = shadowing.count_shadow

    def refuse(**_):
        raise OperationalError("gone away")

    monkeypatch.setattr(shadowing, "count_shadow", refuse)
    with pytest.raises(OperationalError):
        sampler.flush()
    sampler.stop()
    monkeypatch.setattr(shadowing, "count_shadow", real)

    sampler.flush()
    sampler.flush()

    shadow.refresh_from_db()
    assert shadow.queries == 1


def test_enough_queries_end_it(search, follow, gallery, shadow):
    Shadow.objects.update(most_queries=2)
    sampler = follow()

    for _ in range(2):
        search.ask(gallery, input=EAST)
    settle(sampler)
    sampler.look()
    search.ask(gallery, input=EAST)
    settle(sampler)

    shadow.refresh_from_db()
    assert (shadow.state, shadow.end, shadow.queries) == ("over", "queries", 2)


def test_two_processes_add_to_one_row(search, follow, gallery, shadow):
    for _ in range(2):
        sampler = follow()
        search.ask(gallery, input=EAST)
        settle(sampler)

    shadow.refresh_from_db()
    assert (shadow.queries, sum(shadow.live_latency)) == (2, 2)


def test_a_query_that_meets_a_bug_or_no_database_is_counted_all_the_same(
    search, follow, gallery, shadow, monkeypatch
):
    sampler = follow()
    for wrong in (OperationalError("gone away"), ZeroDivisionError()):
        search.ask(gallery, input=EAST)

        def refuse(_, wrong=wrong):
            raise wrong

        monkeypatch.setattr(sampler, "_compared", refuse)
        with suppress(ZeroDivisionError):
            sampler.work()
    sampler.flush()

    shadow.refresh_from_db()
    assert (shadow.queries, shadow.failed) == (2, 2)
