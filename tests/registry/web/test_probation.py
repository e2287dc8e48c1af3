"""Going back, as the pages tell it: what is embedded twice, and what a rollback costs."""

import pytest

from registry.galleries.models import Gallery
from registry.upgrades.services.promote import promote
from tests.builders import backfills
from tests.builders import registry as make
from tests.builders.new_lines import a_new_line
from tests.registry.web.conftest import text_of


@pytest.fixture
def promoted(db):
    upgrade = a_new_line()
    promote(upgrade_id=upgrade.pk, actor=make.a_user(), dual_query=True)
    return upgrade


@pytest.fixture
def gallery(promoted):
    return Gallery.objects.get(alias=promoted.alias_id)


def test_the_gallery_says_which_version_embeds_as_well_and_how_far_that_is(pages, gallery):
    backfills.an_insert_of_inputs(gallery, ["new"])

    words = text_of(pages.get(f"/galleries/{gallery.name}/"))

    assert f"is embedded by {gallery.probation_encoder} as well" in words
    assert "Embedded twice: 0 batches, 1 to come." in words


def test_the_hours_are_changed_on_the_page(pages, gallery):
    response = pages.post(f"/galleries/{gallery.name}/probation/", {"hours": "0"})

    assert response.url == f"/galleries/{gallery.name}/#probation"
    gallery.refresh_from_db()
    assert (gallery.probation_hours, gallery.probation_until) == (0, None)
    words = text_of(pages.get(f"/galleries/{gallery.name}/"))
    assert "embedded by the live encoder alone, after a promotion too" in words


def test_hours_that_are_none_are_told(pages, gallery):
    pages.post(f"/galleries/{gallery.name}/probation/", {"hours": "many"})

    assert "Hours are a whole number from 0 to 8,784." in text_of(
        pages.get(f"/galleries/{gallery.name}/")
    )


def test_the_promotion_page_says_how_long_going_back_finds_what_is_new(pages):
    upgrade = a_new_line()

    words = text_of(pages.get(f"/upgrades/{upgrade.pk}/promote/"))

    assert "what is inserted in the first 168 hours is embedded by" in words


def test_the_rollback_page_says_what_is_found_at_once_and_what_comes_back(pages, promoted, gallery):
    backfills.an_insert_of_inputs(gallery, ["new-1", "new-2"])
    make.an_insert(gallery, ["a bare vector"])
    former = gallery.views.earliest("number").encoder
    model, alias = gallery.alias.model.name, gallery.alias.name

    words = text_of(pages.get(f"/models/{model}/aliases/{alias}/roll-back/?to={former.number}"))

    assert "3 items become unsearchable." in words
    assert "embeds 2 of them again in the background" in words
    assert "0 searchable, 3 not yet (2 to be embedded again)" in words
