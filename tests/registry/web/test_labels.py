"""No two fields of a page go by the same label: whoever hears a page tells them apart by it."""

import pytest

from tests.builders import registry as make
from tests.builders.adapters import a_pool, an_unpassed_upgrade
from tests.builders.canaries import an_attached_gallery
from tests.builders.new_lines import a_new_line
from tests.builders.staging import a_guarded_alias
from tests.registry.web.conftest import labels_of, labels_said_twice

pytestmark = pytest.mark.django_db


def test_the_page_of_an_upgrade_that_can_be_waived_superseded_and_withdrawn(pages):
    upgrade = an_unpassed_upgrade()
    a_pool("pool")
    make.an_upgrade(upgrade.alias)

    response = pages.get(f"/upgrades/{upgrade.pk}/")

    asked = {"Why they are excepted", "Why it gives way", "Why it is withdrawn", "Fit on"}
    assert asked <= set(labels_of(response))
    assert labels_said_twice(response) == []


def test_the_page_that_promotes_now_or_later(pages):
    response = pages.get(f"/upgrades/{make.a_judged_upgrade().pk}/promote/")

    assert {"Reason", "Why it is scheduled"} <= set(labels_of(response))
    assert labels_said_twice(response) == []


def test_the_page_that_promotes_with_a_dual_query_now_or_later(pages):
    assert labels_said_twice(pages.get(f"/upgrades/{a_new_line().pk}/promote/")) == []


def test_the_pages_of_an_attached_gallery_and_of_an_alias(pages):
    gallery = an_attached_gallery()
    alias = a_guarded_alias()

    for path in (
        f"/galleries/{gallery.name}/",
        f"/galleries/{gallery.name}/canaries/",
        f"/models/{alias.model.name}/aliases/{alias.name}/",
        "/new/gallery/",
    ):
        assert labels_said_twice(pages.get(path)) == []
