"""Attached galleries: vectors elsewhere, counts declared by the owner, the same promises."""

import pytest
from django.db import IntegrityError, transaction

from compat.policy import Task
from compat.verdict import Outcome
from registry.audit.models import LedgerEntry
from registry.core.errors import GateNotPassedError
from registry.galleries.estimates import backfill_plan
from registry.galleries.models import Gallery, Segment
from registry.galleries.selectors import live_epochs, live_view, producers_held
from registry.galleries.services import attach
from registry.galleries.services.attach import Attachment, declare_items
from registry.galleries.services.create_gallery import create_gallery
from registry.galleries.services.insert import insert_vectors, submit_inputs
from registry.galleries.services.remove import remove_items
from registry.galleries.services.search import search
from registry.galleries.services.start_backfill import start_backfill
from registry.upgrades.policy_scopes import Place
from registry.upgrades.services.advance import advance, is_stale
from registry.upgrades.services.policies import add_policy_revision
from registry.upgrades.services.policy_scopes import choose_policy
from registry.upgrades.services.promote import promote
from registry.upgrades.services.roll_back import plan_rollback
from registry.upgrades.services.situation import situation_of
from tests.builders import registry as build
from tests.refusals import refused

pytestmark = pytest.mark.django_db

WHERE = "opensearch://search-eu/faces-*"


@pytest.fixture
def alias():
    alias = build.an_alias(build.a_model(task=Task.EMBEDDING))
    build.a_promoted_upgrade(alias)
    return alias


def attached(alias, *held, location=WHERE):
    return create_gallery(
        name=build.a_name("gallery"),
        alias=alias,
        actor=build.a_user(),
        attachment=Attachment(location, held),
    )


def declare(gallery, number, items):
    return declare_items(gallery=gallery, number=number, items=items, actor=build.a_user())


def counts(gallery):
    return [(s.producer, s.live_items, s.searchable) for s in live_view(gallery.name).segments]


def test_what_the_live_encoder_made_is_counted_in_the_segment_that_grows(alias):
    gallery = attached(alias, (alias.version, 12_000))

    assert counts(gallery) == [(str(alias.version), 12_000, True)]
    assert gallery.segments.get().state == Segment.State.INSERT
    entry = LedgerEntry.objects.filter(action="gallery.create").latest("seq")
    assert entry.body["location"] == WHERE
    assert entry.body["declared"] == {str(alias.version): 12_000}


def test_no_query_meets_what_an_index_holds_of_others_before_evidence_covers_it(alias):
    other = build.a_version(alias.model)

    gallery = attached(alias, (other, 70), (alias.version, 30))

    assert counts(gallery) == [(str(other), 70, False), (str(alias.version), 30, True)]
    upgrade = build.a_judged_upgrade(alias)
    promote(upgrade_id=upgrade.pk, actor=build.a_user())
    assert counts(gallery) == [
        (str(other), 70, True),
        (str(alias.version), 30, True),
        (str(upgrade.candidate), 0, True),
    ]


def test_declared_vectors_need_evidence_like_stored_ones(alias):
    gallery = attached(alias, (alias.version, 12_000))
    assert list(producers_held(alias)) == [alias.version_id]

    upgrade = build.a_judged_upgrade(alias)

    [covered] = upgrade.verdict.coverage
    assert covered["producer_digest"] == alias.version.digest
    failed = build.a_judged_upgrade(alias, outcome=Outcome.FAILED)
    with pytest.raises(GateNotPassedError):
        promote(upgrade_id=failed.pk, actor=build.a_user())
    assert gallery.epoch == 1


def test_declared_vectors_that_no_evidence_covers_stop_a_promotion(alias):
    document = {"task": "embedding", "inherits": True, "level": "none"}
    revision = add_policy_revision(name="new-line", document=document, actor=build.a_user())
    choose_policy(place=Place.of_alias(alias), revision=revision, actor=build.a_user())
    gallery = attached(alias, (alias.version, 12_000))
    upgrade = build.an_upgrade(alias)
    advance(upgrade_id=upgrade.pk)
    build.compute_outputs()
    advance(upgrade_id=upgrade.pk)
    build.compare(outcome=Outcome.FAILED)
    advance(upgrade_id=upgrade.pk)

    assert refused(promote, upgrade_id=upgrade.pk, actor=build.a_user()) == "gallery_not_covered"
    declare(gallery, 1, 0)
    advance(upgrade_id=upgrade.pk)
    promote(upgrade_id=upgrade.pk, actor=build.a_user())

    assert counts(gallery) == [(str(upgrade.candidate), 0, True)]


def test_a_cutover_moves_the_pointer_and_asks_no_worker(alias):
    gallery = attached(alias, (alias.version, 12_000))
    first = alias.version

    upgrade = build.a_promoted_upgrade(alias)

    gallery.refresh_from_db()
    assert (gallery.epoch, gallery.live_view.encoder) == (2, upgrade.candidate)
    sealed = gallery.segments.get(producer=first)
    assert (sealed.state, sealed.work_state, sealed.index_digest) == ("sealed", "done", "")
    assert counts(gallery)[0] == (str(first), 12_000, True)


def test_rolling_back_counts_what_the_owner_has_declared_since(alias):
    gallery = attached(alias, (alias.version, 5))
    first = alias.version
    upgrade = build.a_promoted_upgrade(alias)
    declare(gallery, 2, 9)

    plan = plan_rollback(alias=alias, target=first)

    [(planned, cutover)] = plan.galleries
    assert planned == gallery
    assert {(p.producer, p.live_items) for p in cutover.segments} == {
        (first.pk, 5),
        (upgrade.candidate_id, 9),
    }


def test_a_count_is_declared_once_however_often_it_is_told(alias):
    gallery = attached(alias)

    for _ in range(3):
        assert declare(gallery, 1, 12_000).live_items == 12_000

    entries = LedgerEntry.objects.filter(action="gallery.declare")
    assert [(e.body["items"], e.body["replaced"]) for e in entries] == [(12_000, 0)]
    assert live_view(gallery.name).segments[0].revision == 1


def test_a_verdict_is_stale_when_vectors_of_another_version_appear(alias):
    gallery = attached(alias)
    upgrade = build.a_judged_upgrade(alias)
    assert not is_stale(upgrade, situation_of(upgrade))

    declare(gallery, 1, 1)

    assert is_stale(upgrade, situation_of(upgrade))


def test_what_no_view_names_cannot_grow(alias):
    gallery = attached(alias)
    build.a_promoted_upgrade(alias)

    assert refused(declare, gallery, 1, 1) == "segment_not_live"
    assert declare(gallery, 1, 0).live_items == 0


def test_a_wrong_declaration_is_named_and_changes_nothing(alias, monkeypatch):
    gallery, here = attached(alias, (alias.version, 5)), build.a_gallery(alias, items=1)
    build.a_promoted_upgrade(alias)
    monkeypatch.setattr(attach, "MOST_ITEMS", 20)

    assert refused(declare, gallery, 3, 1) == "unknown_segment"
    assert refused(declare, gallery, 1, -1) == "invalid_input"
    assert refused(declare, gallery, 2, 16) == "invalid_input"
    assert refused(declare, here, 1, 1) == "gallery_embedded"
    assert [s.live_items for s in gallery.segments.all()] == [5, 0]


@pytest.mark.parametrize("location", ["", "  ", "x" * 501])
def test_an_attached_gallery_says_where_it_is(alias, location):
    assert refused(attached, alias, location=location) == "invalid_location"
    assert not Gallery.objects.exists()


def test_the_database_holds_a_location_to_its_kind(alias):
    gallery = attached(alias)
    for change in ({"location": ""}, {"kind": "embedded"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Gallery.objects.filter(pk=gallery.pk).update(**change)


def test_only_versions_that_could_have_made_the_vectors_are_named(alias, monkeypatch):
    monkeypatch.setattr(attach, "MOST_ITEMS", 20)
    stranger = build.a_version(build.a_model(task=Task.EMBEDDING))
    unready = build.a_version(alias.model, state="inspecting")

    assert refused(attached, alias, (stranger, 1)) == "other_model"
    assert refused(attached, alias, (unready, 1)) == "version_not_ready"
    assert refused(attached, alias, (alias.version, 1), (alias.version, 2)) == "duplicate_producer"
    assert refused(attached, alias, (alias.version, 0)) == "invalid_input"
    assert refused(attached, alias, (alias.version, 21)) == "invalid_input"
    assert not Gallery.objects.exists()


def test_what_needs_vectors_is_refused(alias):
    gallery, actor = attached(alias, (alias.version, 5)), build.a_user()
    upload = build.an_artifact(kind=build.Upload.TABLE)
    vectors = {"producer": alias.version, "ids": ["a"], "vectors": [[1.0] * 4]}

    codes = {
        refused(insert_vectors, gallery=gallery, actor=actor, **vectors),
        refused(submit_inputs, gallery=gallery, upload=upload, actor=actor),
        refused(remove_items, gallery=gallery, ids=["a"], actor=actor),
        refused(search, gallery, {"vector": [1.0] * 4}),
        refused(start_backfill, gallery=gallery, actor=actor),
        refused(backfill_plan, gallery),
    }

    assert codes == {"gallery_attached"}
    assert not gallery.batches.exists()


def test_the_search_process_prepares_only_galleries_whose_vectors_are_here(alias):
    attached(alias, (alias.version, 5))
    here = build.a_gallery(alias)

    assert live_epochs() == {here.name: 1}
