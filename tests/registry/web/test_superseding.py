"""Closing an upgrade in favour of another one, on its page."""

import pytest

from registry.audit.models import LedgerEntry
from registry.upgrades.services.withdraw import withdraw
from tests.builders import registry as make
from tests.registry.web.conftest import outcomes_of, text_of


def path_of(upgrade, *parts):
    return "/".join([f"/upgrades/{upgrade.pk}", *parts, ""])


@pytest.fixture
def pair(db):
    upgrade = make.a_judged_upgrade(make.a_promoted_upgrade().alias)
    return upgrade, make.an_upgrade(upgrade.alias)


def test_an_upgrade_is_superseded_and_its_page_leads_to_the_other(pages, pair):
    upgrade, by = pair

    response = pages.post(
        path_of(upgrade, "supersede"), {"by": by.pk, "reason": "has the fix"}, follow=True
    )

    words = text_of(response)
    assert outcomes_of(response)[0] == "quiet"
    assert f"Superseded by upgrade #{by.pk} to {by.candidate}" in words
    assert f'<a href="/upgrades/{by.pk}/">upgrade #{by.pk}</a>' in response.content.decode()
    assert "Supersede it by another upgrade" not in words
    entry = LedgerEntry.objects.latest("seq")
    assert (entry.actor, entry.body["by"], entry.body["reason"]) == ("ada", by.pk, "has the fix")


@pytest.mark.parametrize("which", [0, 1])
def test_only_the_other_open_upgrades_of_the_alias_are_offered(pages, pair, which):
    make.an_upgrade()
    closed = make.an_upgrade(pair[0].alias)
    withdraw(upgrade_id=closed.pk, actor=make.a_user())
    other = pair[1 - which]

    form = pages.get(path_of(pair[which])).context["supersede_form"]

    offered = [label for _, label in form.fields["by"].choices]
    assert offered == [f"#{other.pk}, {other.candidate}"]


def test_without_another_open_upgrade_there_is_no_such_form(pages, pair):
    upgrade, by = pair
    before = text_of(pages.get(path_of(upgrade)))

    withdraw(upgrade_id=by.pk, actor=make.a_user())

    assert "Supersede it by another upgrade" in before
    assert "Supersede it by another upgrade" not in text_of(pages.get(path_of(upgrade)))


def test_what_is_not_offered_is_not_taken(pages, pair):
    upgrade, elsewhere = pair[0], make.an_upgrade()

    response = pages.post(path_of(upgrade, "supersede"), {"by": elsewhere.pk}, follow=True)

    assert "Choose an open upgrade of the same alias." in text_of(response)
    upgrade.refresh_from_db()
    assert upgrade.state == "judged"


def test_what_is_closed_already_is_refused_and_that_is_in_the_ledger(pages, pair):
    upgrade, by = pair
    withdraw(upgrade_id=upgrade.pk, actor=make.a_user())

    response = pages.post(path_of(upgrade, "supersede"), {"by": by.pk}, follow=True)

    assert "illegal_transition" in text_of(response)
    assert LedgerEntry.objects.latest("seq").body["refused"] == "illegal_transition"
