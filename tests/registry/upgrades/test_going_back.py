"""Going back to a version finds what it found before, in a gallery of several producers too."""

import pytest

from registry.evaluation.models import Comparison
from registry.upgrades.services.roll_back import plan_rollback, roll_back
from tests.builders import registry as build
from tests.builders.staging import the_alias

pytestmark = pytest.mark.django_db

MEASURED = "map.new_producer_minus_producer_producer"


@pytest.fixture
def served():
    """Return an upgrade that served a gallery of its two predecessors' items, and was followed."""
    gallery = build.a_gallery(items=5)
    alias = gallery.alias
    build.a_promoted_upgrade(alias)
    build.an_insert(gallery, ["late-0", "late-1"])
    served = build.a_promoted_upgrade(alias)
    build.a_promoted_upgrade(alias)
    return served


def searchable(plan):
    ((_, found),) = plan.galleries
    return [segment.searchable for segment in found.segments]


def test_vectors_of_a_third_version_are_found_again(served):
    alias = the_alias(served.alias_id)

    plan = plan_rollback(alias=alias, target=served.candidate)
    roll_back(alias=alias, target=served.candidate, actor=served.created_by, reason="slow")

    assert plan.unsearchable_items == 0
    entries = alias.galleries.get().live_view.entries
    assert all(entries.values_list("searchable", flat=True))
    assert all(searchable(plan))


def test_what_was_measured_there_is_judged_not_only_that_it_was(served):
    on_third = Comparison.objects.get(
        new_digest=served.candidate.digest, producer_digest__gt="", work_state="done"
    )
    for measured in on_third.measurements:
        if measured["name"] == MEASURED:
            measured["value"] = -0.3
            measured["bounds"] = {
                side: dict.fromkeys(levels, -0.3) for side, levels in measured["bounds"].items()
            }
    on_third.save(update_fields=["measurements"])

    plan = plan_rollback(alias=the_alias(served.alias_id), target=served.candidate)

    assert plan.unsearchable_items == 5
    assert searchable(plan)[:2] == [False, True]
