"""The view that a promotion would open: from a verdict that stands, at the revisions of now."""

import pytest

from compat.policy import Task
from registry.core.errors import ConflictError, InvalidInputError, UnknownObjectError
from registry.galleries.models import View
from registry.galleries.selectors import live_view
from registry.upgrades.models import Upgrade
from registry.upgrades.services.promote import promote
from registry.upgrades.services.propose import propose
from registry.upgrades.services.withdraw import withdraw
from registry.upgrades.would_be import Grounds, grounds_of, would_be
from tests.builders import galleries
from tests.builders import registry as build
from tests.builders.new_lines import a_new_line

pytestmark = pytest.mark.django_db


@pytest.fixture
def upgrade():
    alias = build.an_alias(build.a_model(task=Task.EMBEDDING))
    build.a_promoted_upgrade(alias)
    build.a_gallery(alias, items=3)
    return build.a_judged_upgrade(alias)


def planned(upgrade):
    gallery = upgrade.alias.galleries.get()
    live = live_view(gallery.name)
    return live, would_be(gallery, live, grounds_of(upgrade.pk))


def test_it_is_what_a_promotion_opens(upgrade):
    live, found = planned(upgrade)
    assert View.objects.count() == 1

    promote(upgrade_id=upgrade.pk, actor=build.a_user())
    opened = live_view(live.gallery)

    (before,) = found.view.segments
    after = next(s for s in opened.segments if s.segment_id == before.segment_id)
    assert (found.mode, found.searchable_items, found.unsearchable_items) == ("evidence", 3, 0)
    assert found.view.encoder == opened.encoder
    told = ("encoder", "searchable", "evidence", "calibration", "live_items", "revision")
    assert [getattr(before, name) for name in told] == [getattr(after, name) for name in told]


def test_a_dual_query_is_what_a_promotion_by_dual_query_opens():
    upgrade = a_new_line()
    live, found = planned(upgrade)

    promote(upgrade_id=upgrade.pk, actor=build.a_user(), dual_query=True)
    opened = live_view(live.gallery)

    (before,) = found.view.segments
    after = next(s for s in opened.segments if s.segment_id == before.segment_id)
    assert found.mode == "dual_query"
    told = ("encoder", "searchable", "evidence", "calibration")
    assert [getattr(before, name) for name in told] == [getattr(after, name) for name in told]
    assert before.calibration is not None


def test_a_verdict_that_no_longer_stands_covers_nothing(upgrade):
    assert grounds_of(upgrade.pk).evidence

    build.a_pin(upgrade.alias)
    grounds = grounds_of(upgrade.pk)

    assert grounds.verdict_stands is False
    assert not grounds.evidence


def test_without_evidence_and_calibrations_nothing_is_searched(upgrade):
    build.a_pin(upgrade.alias)
    gallery = upgrade.alias.galleries.get()
    live = live_view(gallery.name)
    grounds = grounds_of(upgrade.pk)
    grounds.dual.clear()

    found = would_be(gallery, live, grounds)

    assert (found.mode, found.searchable_items, found.unsearchable_items) == ("nothing", 0, 3)
    assert [segment.searchable for segment in found.view.segments] == [False]


def test_the_gallery_of_another_alias_is_refused(upgrade):
    other = build.a_gallery()

    with pytest.raises(ConflictError) as refusal:
        would_be(other, live_view(other.name), grounds_of(upgrade.pk))

    assert refusal.value.code == "gallery_of_other_alias"


def test_what_cannot_be_asked_is_refused(upgrade):
    with pytest.raises(UnknownObjectError):
        grounds_of(10**6)
    with pytest.raises(InvalidInputError, match="no encoder"):
        grounds_of(build.a_judged_upgrade().pk)
    recorded = build.a_version(upgrade.alias.model, recorded=True)
    Upgrade.objects.filter(pk=upgrade.pk).update(candidate=recorded)
    with pytest.raises(ConflictError) as refusal:
        grounds_of(upgrade.pk)
    assert refusal.value.code == "encoder_without_weights"
    withdraw(upgrade_id=upgrade.pk, actor=build.a_user())
    with pytest.raises(ConflictError) as refusal:
        grounds_of(upgrade.pk)
    assert refusal.value.code == "upgrade_closed"


def test_what_twins_find_now_is_tried_by_its_own_vectors_as_a_promotion_has_it():
    alias = galleries.an_alias()
    old, new, candidate = (galleries.an_encoder(alias, dimension=n) for n in (2, 3, 3))
    gallery = galleries.a_gallery(old, {"x": [1, 0]})
    galleries.move(gallery, new, covers=[old])
    batch = galleries.put(gallery, {"y": [0, 1, 0]})
    batch.upload = build.an_artifact(kind=build.Upload.TABLE)
    batch.save()
    galleries.move(gallery, old, returning=True)
    live = live_view(gallery.name)
    assert live.segments[1].twins_by == old.pk
    upgrade = propose(alias=alias, candidate=candidate, actor=build.a_user())
    queried_by = {version.pk: version for version in (old, new, candidate)}
    covered = Grounds(upgrade, dict.fromkeys([old.pk, new.pk], "verdict:1"), {}, True, queried_by)

    found = would_be(gallery, live, covered)

    assert (found.searchable_items, found.unsearchable_items) == (2, 0)
    galleries.move(gallery, candidate, covers=[old, new])
    opened = {segment.segment_id: segment for segment in live_view(gallery.name).segments}
    told = ("encoder", "producer", "dimension", "distance", "twins_by", "space", "index_digest")
    for before in found.view.segments[:2]:
        after = opened[before.segment_id]
        assert [getattr(before, name) for name in told] == [getattr(after, name) for name in told]
