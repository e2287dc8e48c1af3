"""One candidate, end to end, through the services and the real tasks with their children."""

import pytest

from registry.audit.selectors import verified_head
from registry.galleries.selectors import live_view, stored_vectors
from registry.upgrades.services.roll_back import plan_rollback, roll_back
from registry.upgrades.states import State
from tests.builders import toy
from tests.builders.lines import Line

pytestmark = pytest.mark.django_db


def why(upgrade):
    return [(r["rule"], r["outcome"], r["reason"]) for r in upgrade.verdict.results]


def test_upload_verdict_promotion_cutover_and_roll_back(queue):
    line = Line(queue)
    first = line.judge(toy.encoder("old"))
    assert (first.state, first.verdict.outcome) == (State.JUDGED, "passed"), why(first)
    line.promote(first)
    gallery = line.gallery()
    before = stored_vectors(gallery)
    assert before["vectors"] == 50

    independent = line.judge(toy.encoder("independent"))
    assert independent.verdict.outcome == "failed", why(independent)

    compatible = line.judge(toy.encoder("compatible"))
    assert compatible.verdict.outcome == "passed", why(compatible)
    line.promote(compatible)

    assert line.alias.version == compatible.candidate
    live = live_view(gallery.name)
    assert live.encoder == compatible.candidate
    assert [(s.producer, s.searchable, s.live_items) for s in live.segments] == [
        ("line:1", True, 50),
        ("line:3", True, 0),
    ]
    assert stored_vectors(gallery) == before

    line.insert(gallery, toy.items(7, seed=8, prefix="late"))
    plan = plan_rollback(alias=line.alias, target=first.candidate)
    queue.act(
        roll_back,
        alias=line.alias,
        target=first.candidate,
        actor=line.person,
        reason="test",
        confirm_unsearchable=plan.unsearchable_items,
    )
    queue.settle()

    first.refresh_from_db()
    compatible.refresh_from_db()
    assert (first.state, compatible.state) == (State.PROMOTED, State.ROLLED_BACK)
    back = live_view(gallery.name)
    assert back.encoder == first.candidate
    assert {s.producer: s.live_items for s in back.segments if s.live_items} == {
        "line:1": 50,
        "line:3": 7,
    }
    assert verified_head()[0] > 20
