"""Two candidates against one incumbent: which one breaks whom."""

import pytest

from registry.core.errors import RegistryError
from registry.evaluation.models import Comparison
from registry.upgrades.rivals import broken_by
from tests.builders import registry as build

pytestmark = pytest.mark.django_db


def breaking(alias, rows):
    """Return a judged upgrade whose candidate breaks the samples at ``rows``."""
    upgrade = build.a_judged_upgrade(alias)
    comparison = Comparison.objects.get(new_digest=upgrade.candidate.digest)
    comparison.flips = [build.a_flip(row, thumbnail=False) for row in rows]
    comparison.flips.append(build.a_flip(99, thumbnail=False) | {"kind": "positive"})
    for measured in comparison.measurements:
        if measured["name"] == "nfr":
            measured["value"] = len(rows) / measured["support"]
    comparison.save(update_fields=["flips", "measurements"])
    return upgrade


def test_the_difference_of_their_negative_flips_is_told():
    alias = build.a_promoted_upgrade().alias
    first, second = breaking(alias, [1, 2, 3]), breaking(alias, [3, 4])

    (broken,) = broken_by(first, second)

    assert broken.only_first == ("sample-1", "sample-2")
    assert broken.only_second == ("sample-4",)
    assert broken.both == ("sample-3",)
    assert broken.is_complete


def test_a_list_that_was_cut_short_is_said_to_be():
    alias = build.a_promoted_upgrade().alias
    first, second = breaking(alias, [1]), breaking(alias, [2])
    comparison = Comparison.objects.get(new_digest=second.candidate.digest)
    comparison.flips = []
    comparison.save(update_fields=["flips"])

    assert not broken_by(first, second)[0].is_complete


def test_candidates_of_different_aliases_are_not_compared():
    with pytest.raises(RegistryError) as refused:
        broken_by(build.a_judged_upgrade(), build.a_judged_upgrade())

    assert refused.value.code == "other_alias"


def test_what_was_not_measured_is_not_told():
    alias = build.a_promoted_upgrade().alias

    with pytest.raises(RegistryError) as refused:
        broken_by(breaking(alias, [1]), build.an_upgrade(alias))

    assert refused.value.code == "not_compared"


def test_without_an_incumbent_nothing_is_broken():
    upgrade = build.a_judged_upgrade()

    with pytest.raises(RegistryError) as refused:
        broken_by(upgrade, build.an_upgrade(upgrade.alias))

    assert refused.value.code == "alias_empty"
