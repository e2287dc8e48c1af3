"""Rolling back: choose a version, see the plan, confirm what is lost to the number."""

from registry.audit.models import LedgerEntry
from registry.catalog.models import Alias
from registry.evaluation.models import Comparison
from tests.builders import registry as make
from tests.registry.web.conftest import text_of


def moved_twice(*, items_after=0, forward=True):
    """Return an alias that was promoted twice; its gallery got items from the second version."""
    gallery = make.a_gallery(items=5)
    upgrade = make.a_judged_upgrade(gallery.alias)
    if not forward:
        comparison = Comparison.objects.order_by("pk").last()
        comparison.measurements = [
            m for m in comparison.measurements if m["name"] != "map.old_new_minus_old_old"
        ]
        comparison.save(update_fields=["measurements"])
    make.promote(upgrade_id=upgrade.pk, actor=upgrade.created_by)
    if items_after:
        make.an_insert(gallery, [f"late-{i}" for i in range(items_after)])
    return Alias.objects.select_related("model", "version").get(pk=gallery.alias_id)


def path_of(alias):
    return f"/models/{alias.model.name}/aliases/production/roll-back/"


def test_earlier_versions_are_offered_with_their_cost(pages):
    alias = moved_twice(items_after=3, forward=False)

    words = text_of(pages.get(path_of(alias)))

    assert "Choose" in words
    assert "#1 just now 3" in words


def test_the_plan_names_every_gallery_and_segment(pages):
    alias = moved_twice(items_after=3, forward=False)

    words = text_of(pages.get(path_of(alias), {"to": "1"}))

    assert "3 items become unsearchable" in words
    assert "not searchable" in words
    assert "Type the exact number to confirm" in words


def test_going_back_for_free_asks_for_no_number(pages):
    alias = moved_twice()

    response = pages.get(path_of(alias), {"to": "1"})

    assert b"confirm_unsearchable" not in response.content
    assert "every item stays searchable" in text_of(response)


def test_the_post_moves_the_alias_back(pages):
    alias = moved_twice()

    response = pages.post(path_of(alias), {"to": "1", "reason": "complaints"})

    assert response.status_code == 303
    alias.refresh_from_db()
    assert alias.version.number == 1
    assert alias.moves.first().reason == "complaints"


def test_another_number_than_the_exact_one_is_refused_and_in_the_ledger(pages):
    alias = moved_twice(items_after=3, forward=False)

    response = pages.post(path_of(alias), {"to": "1", "confirm_unsearchable": "2"})

    alias.refresh_from_db()
    assert response.status_code == 409
    assert alias.version.number == 2
    assert LedgerEntry.objects.last().body["refused"] == "unsearchable_items"
    assert "unsearchable_items" in text_of(response)


def test_the_exact_number_lets_it_through(pages):
    alias = moved_twice(items_after=3, forward=False)

    pages.post(path_of(alias), {"to": "1", "confirm_unsearchable": "3"})

    alias.refresh_from_db()
    assert alias.version.number == 1


def test_the_number_may_be_typed_as_the_page_writes_it(pages):
    alias = moved_twice(items_after=3, forward=False)
    alias.galleries.get().segments.filter(live_items=3).update(live_items=1203)
    assert "1,203 items become unsearchable" in text_of(pages.get(path_of(alias) + "?to=1"))

    pages.post(path_of(alias), {"to": "1", "confirm_unsearchable": "1,203"})

    alias.refresh_from_db()
    assert alias.version.number == 1


def test_a_version_that_never_served_is_not_offered(pages):
    alias = moved_twice()
    make.a_version(alias.model)

    response = pages.post(path_of(alias), {"to": "3"})

    alias.refresh_from_db()
    assert response.context["target"] is None
    assert alias.version.number == 2


def test_an_alias_that_never_moved_says_so(pages):
    alias = make.an_alias()

    assert "no earlier version" in text_of(pages.get(path_of(alias)))
