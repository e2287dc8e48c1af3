"""Evaluation on demand: what failed is tried again, nothing else is computed twice."""

import pytest

from compat.verdict import Outcome
from registry.core.errors import IllegalTransitionError, UnknownObjectError
from registry.evaluation.models import Comparison, Outputs
from registry.upgrades.services.evaluate_again import evaluate_again
from tests.builders import registry as build

pytestmark = pytest.mark.django_db


def test_a_comparison_that_failed_is_made_again():
    upgrade = build.a_judged_upgrade(outcome=Outcome.ERRORED)
    outputs = Outputs.objects.count()

    evaluate_again(upgrade_id=upgrade.pk, actor=upgrade.created_by)
    again = build.judge(upgrade)

    assert (again.verdict.number, again.verdict.outcome) == (2, "passed")
    assert (Outputs.objects.count(), Comparison.objects.count()) == (outputs, 1)


def test_a_judged_upgrade_without_failures_is_judged_anew_from_what_is_stored():
    upgrade = build.a_judged_upgrade()

    evaluate_again(upgrade_id=upgrade.pk, actor=upgrade.created_by)

    assert build.judge(upgrade).verdict.number == 2


def test_what_is_closed_is_not_evaluated_again():
    upgrade = build.a_promoted_upgrade()

    with pytest.raises(IllegalTransitionError):
        evaluate_again(upgrade_id=upgrade.pk, actor=upgrade.created_by)
    with pytest.raises(UnknownObjectError):
        evaluate_again(upgrade_id=999_999, actor=upgrade.created_by)
