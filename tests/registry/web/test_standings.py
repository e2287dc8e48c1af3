"""Outcomes and states have one look each, told apart without colour."""

import pytest

from compat.verdict import Outcome
from registry.catalog.models import ModelVersion
from registry.core.leases import WorkState
from registry.evaluation.models import SetRevision
from registry.galleries.models import Segment
from registry.upgrades.states import State
from registry.web.icons import ICONS
from registry.web.standings import STANDINGS, standing_of
from tests.builders import registry as make

SHOWN = [
    *Outcome,
    *State,
    *WorkState.values,
    *ModelVersion.State.values,
    *SetRevision.State.values,
    *Segment.State.values,
]


@pytest.mark.parametrize("state", sorted(set(map(str, SHOWN))))
def test_every_state_has_a_look(state):
    assert STANDINGS[state].icon in ICONS


def test_no_two_outcomes_look_alike():
    looks = [STANDINGS[key] for key in (*Outcome, "stale", "evaluating")]

    assert len({look.icon for look in looks}) == len(looks)
    assert len({look.word for look in looks}) == len(looks)
    assert len({look.style for look in looks}) == len(looks)


@pytest.mark.parametrize("outcome", Outcome)
def test_a_judged_upgrade_stands_where_its_verdict_does(db, outcome):
    assert standing_of(make.a_judged_upgrade(outcome=outcome)).key == outcome


def test_an_upgrade_without_a_verdict_is_evaluating(db):
    assert standing_of(make.an_upgrade()).key == "evaluating"


def test_a_promoted_upgrade_serves(db):
    assert standing_of(make.a_promoted_upgrade()).word == "serving"


def test_a_verdict_that_no_longer_stands_is_stale(db):
    upgrade = make.a_judged_upgrade()
    upgrade.state = State.EVALUATING

    assert standing_of(upgrade).key == "stale"
