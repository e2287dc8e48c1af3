"""After a promotion new items are embedded twice, unless evidence makes that needless."""

import pytest

from compat.policy import Task
from registry.galleries.models import Gallery, Twin
from registry.galleries.services import twins
from registry.upgrades.previews import galleries_after
from registry.upgrades.services.promote import promote
from registry.upgrades.services.roll_back import plan_rollback, roll_back
from tests.builders import backfills
from tests.builders import registry as build
from tests.builders.new_lines import a_new_line

pytestmark = pytest.mark.django_db


@pytest.fixture
def promoted():
    """A new line that was promoted with a dual query: nothing covers the way back."""
    upgrade = a_new_line()
    promote(upgrade_id=upgrade.pk, actor=build.a_user(), dual_query=True)
    upgrade.refresh_from_db()
    return upgrade


def gallery_of(upgrade):
    return Gallery.objects.get(alias=upgrade.alias_id)


def former_of(upgrade):
    return gallery_of(upgrade).views.earliest("number").encoder


def go_back(upgrade, confirmed):
    return roll_back(
        alias=gallery_of(upgrade).alias,
        target=former_of(upgrade),
        actor=build.a_user(),
        reason="worse",
        confirm_unsearchable=confirmed,
    )


def test_a_promotion_begins_a_probation_of_the_former_encoder(promoted):
    assert gallery_of(promoted).probation_encoder == former_of(promoted)


def test_the_promotion_page_says_so_beforehand():
    [preview] = galleries_after(a_new_line())

    assert (preview.returns_whole, preview.probation_hours) == (False, 168)


def test_where_the_former_encoder_may_query_the_new_vectors_nothing_is_embedded_twice():
    alias = build.an_alias(build.a_model(task=Task.EMBEDDING))
    build.a_promoted_upgrade(alias)
    build.a_gallery(alias, items=3)
    upgrade = build.a_judged_upgrade(alias)
    [preview] = galleries_after(upgrade)
    assert (preview.returns_whole, preview.probation_hours) == (True, 0)

    promote(upgrade_id=upgrade.pk, actor=build.a_user())

    assert gallery_of(upgrade).probation_encoder is None


def test_going_back_finds_at_once_what_was_embedded_twice_and_counts_the_rest(promoted):
    gallery = gallery_of(promoted)
    twin = Twin.objects.get(batch=backfills.an_insert_of_inputs(gallery, ["new-1"]))
    twins.record_twin(job=twins.claim(twin_id=twin.pk), chunk_digest=build.a_digest())
    backfills.an_insert_of_inputs(gallery, ["new-2", "new-3"])
    build.an_insert(gallery, ["a bare vector"])

    plan = plan_rollback(alias=promoted.alias, target=former_of(promoted))
    assert (plan.unsearchable_items, plan.returning_items) == (3, 2)
    go_back(promoted, confirmed=3)

    gallery = gallery_of(promoted)
    assert gallery.probation_encoder is None
    entry = gallery.live_view.entries.get(segment__number=2)
    assert (entry.twins_by, entry.encoder) == (former_of(promoted), former_of(promoted))
    assert entry.evidence == "twins"
    assert Twin.objects.filter(work_state="queued").count() == 1


def test_after_going_back_and_forth_every_segment_is_queried_as_before(promoted):
    gallery = gallery_of(promoted)
    backfills.an_insert_of_inputs(gallery, ["new"])
    before = list(gallery.live_view.entries.values_list("segment", "encoder", "twins_by"))
    go_back(promoted, confirmed=1)

    roll_back(
        alias=gallery_of(promoted).alias,
        target=promoted.candidate,
        actor=build.a_user(),
        reason="better after all",
        dual_query=True,
    )

    entries = gallery_of(promoted).live_view.entries
    after = list(entries.values_list("segment", "encoder", "twins_by"))
    assert after[: len(before)] == before
