"""What serves under a waiver says so on the pages of its alias and model, until it is repaid."""

import pytest
from django.utils import timezone

from tests.builders import registry as make
from tests.builders.waivers import RULES, a_waived_promotion, end
from tests.registry.web.conftest import text_of


@pytest.fixture
def waived(db):
    return a_waived_promotion()


def paths(upgrade):
    model = f"/models/{upgrade.alias.model.name}/"
    return [model, f"{model}aliases/production/"]


def test_the_waiver_is_shown_with_its_rules_reason_people_and_end(pages, waived):
    waiver = waived.waivers.get()

    for path in paths(waived):
        words = text_of(pages.get(path))

        assert "Serving under a waiver" in words
        assert ", ".join(RULES) in words
        assert waiver.reason in words
        assert f"asked for by {waiver.requested_by}, granted by {waiver.granted_by}" in words
        assert f"ends {waiver.expires_at.date()}" in words


def test_after_its_end_it_is_shown_as_expired(pages, waived):
    end(waived.waivers.get())

    for path in paths(waived):
        words = text_of(pages.get(path))

        assert "Serving under a waiver" in words
        assert f"expired on {timezone.now().date()}" in words


def test_what_is_owed_adds_up_and_is_gone_once_repaid(pages, waived):
    a_waived_promotion(waived.alias)
    two = [text_of(pages.get(path)) for path in paths(waived)]

    make.a_promoted_upgrade(waived.alias)
    none = [text_of(pages.get(path)) for path in paths(waived)]

    assert all("Serving under waivers" in words for words in two)
    assert not any("Serving under" in words for words in none)


def test_the_model_names_the_alias_that_owes(pages, waived):
    staging = make.an_alias(waived.alias.model, "staging")
    a_waived_promotion(staging)

    words = text_of(pages.get(paths(waived)[0]))

    assert "at production , asked for by" in words
    assert "at staging , asked for by" in words
    assert "at production" not in text_of(pages.get(paths(waived)[1]))
