"""Promoting is a page that says what will move, and a post that moves it."""

import pytest

from compat.verdict import Outcome
from registry.audit.models import LedgerEntry
from registry.catalog.models import Alias
from registry.evaluation.models import Comparison
from registry.galleries.models import Gallery
from tests.builders import registry as make
from tests.builders.new_lines import a_new_line
from tests.registry.web.conftest import text_of


def path_of(upgrade):
    return f"/upgrades/{upgrade.pk}/promote/"


def test_it_states_what_moves_and_what_it_costs(pages):
    gallery = make.a_gallery(items=5)
    upgrade = make.a_judged_upgrade(gallery.alias)

    words = text_of(pages.get(path_of(upgrade)))

    assert f"{gallery.alias}" in words
    assert "epoch 1 → 2" in words
    assert gallery.name in words
    assert "every item stays searchable; no vector is touched" in words
    assert "every item of today stays searchable" in words
    assert "what the candidate writes meanwhile stays searchable too" in words


def test_looking_at_it_moves_nothing(pages):
    upgrade = make.a_judged_upgrade()
    entries = LedgerEntry.objects.count()

    pages.get(path_of(upgrade))

    assert Alias.objects.get(pk=upgrade.alias_id).version is None
    assert LedgerEntry.objects.count() == entries


def test_the_post_moves_the_alias_and_the_gallery(pages):
    gallery = make.a_gallery(items=5)
    upgrade = make.a_judged_upgrade(gallery.alias)

    response = pages.post(path_of(upgrade), {"reason": "better"}, follow=True)

    gallery.refresh_from_db()
    assert Alias.objects.get(pk=gallery.alias_id).version == upgrade.candidate
    assert gallery.live_view.encoder == upgrade.candidate
    assert f"{gallery.alias} names {upgrade.candidate}." in text_of(response)


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.PASSED])
def test_a_blocked_promotion_explains_why_and_offers_no_button(pages, outcome):
    upgrade = make.a_judged_upgrade(outcome=outcome)

    response = pages.get(path_of(upgrade))

    assert f"the verdict on {upgrade.candidate} is {outcome}" in text_of(response)
    assert "gate_not_passed" in text_of(response)
    assert b'<form method="post" class="form-narrow">' not in response.content


def test_a_refusal_is_told_and_written_to_the_ledger(pages):
    upgrade = make.a_judged_upgrade(outcome=Outcome.FAILED)

    response = pages.post(path_of(upgrade))

    last = LedgerEntry.objects.last()
    assert response.status_code == 409
    assert (last.actor, last.action) == ("ada", "upgrade.promote")
    assert last.body["refused"] == "gate_not_passed"
    assert "gate_not_passed" in text_of(response)


def test_looking_at_a_blocked_promotion_is_no_refusal(pages):
    upgrade = make.a_judged_upgrade(outcome=Outcome.FAILED)
    entries = LedgerEntry.objects.count()

    pages.get(path_of(upgrade))

    assert LedgerEntry.objects.count() == entries


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (0, "what the candidate writes meanwhile would become unsearchable"),
        (36, "what is inserted in the first 36 hours is embedded by"),
    ],
)
def test_without_forward_evidence_the_way_back_is_stated_beforehand(pages, hours, said):
    gallery = make.a_gallery(items=5)
    Gallery.objects.update(probation_hours=hours)
    upgrade = make.a_judged_upgrade(gallery.alias)
    comparison = make.Comparison.objects.order_by("pk").last()
    comparison.measurements = [
        m for m in comparison.measurements if m["name"] != "map.old_new_minus_old_old"
    ]
    comparison.save(update_fields=["measurements"])

    words = text_of(pages.get(path_of(upgrade)))

    assert said in words


def test_promoting_twice_is_told(pages):
    upgrade = make.a_promoted_upgrade()

    response = pages.post(path_of(upgrade))

    assert response.status_code == 409
    assert "illegal_transition" in text_of(response)


def test_where_nothing_covers_the_gallery_a_dual_query_is_offered_and_taken(pages):
    upgrade = a_new_line()
    words = text_of(pages.get(path_of(upgrade)))
    assert "It cannot be promoted" in words
    assert "A dual query can take it" in words

    pages.post(path_of(upgrade), {"reason": "a new line", "dual_query": "on"})

    assert Alias.objects.get(pk=upgrade.alias_id).version == upgrade.candidate
    view = upgrade.alias.galleries.get().live_view
    assert view.entries.values("encoder").distinct().count() == 2


def test_where_a_dual_query_does_not_help_either_none_is_offered(pages):
    upgrade = a_new_line()
    Comparison.objects.update(calibration={})

    words = text_of(pages.get(path_of(upgrade)))

    assert "It cannot be promoted" in words
    assert "dual query" not in words
