"""The whole repair with real graphs: fails, is adapted, passes, serves, and finds."""

import pytest

from registry.core.leases import WorkState
from registry.evaluation.services.add_revision import add_revision
from registry.galleries.selectors import live_view
from registry.upgrades.models import Upgrade
from registry.upgrades.repairs import figures_of
from registry.upgrades.services.adapters import request_adapter
from tests.builders import toy
from tests.builders.lines import Line, an_artifact

pytestmark = [pytest.mark.process, pytest.mark.django_db]


def a_pool(line):
    """Add a set that judges nothing."""
    revision = line.queue.act(
        add_revision,
        name="pool",
        task="embedding",
        artifact=an_artifact(toy.an_evaluation_set(rows=200, seed=2)),
        actor=line.person,
    )
    line.queue.settle()
    revision.refresh_from_db()
    return revision


def test_an_independent_candidate_is_adapted_promoted_and_searches_the_old_vectors(queue, search):
    line = Line(queue, rows=250)
    line.promote(line.judge(toy.encoder("old")))
    gallery = line.gallery()
    failed = line.judge(toy.encoder("independent"))
    assert failed.verdict.outcome == "failed"

    fit = queue.act(request_adapter, upgrade_id=failed.pk, revision=a_pool(line), actor=line.person)
    queue.settle()

    fit.refresh_from_db()
    assert (fit.work_state, fit.error_code) == (WorkState.DONE, ""), fit.error_detail
    upgrade = Upgrade.objects.get(candidate=fit.made)
    assert upgrade.verdict.outcome == "passed", upgrade.verdict.results
    mean = figures_of(fit)[0]
    assert mean.untouched.value < mean.old_old.value < mean.adapted.value
    assert mean.gain.interval(0.95)[0] > 0
    assert mean.re_embedded.value > mean.old_old.value

    line.promote(upgrade)

    live = live_view(gallery.name)
    assert live.encoder == fit.made
    assert [(str(s.producer), s.searchable, s.live_items) for s in live.segments] == [
        ("line:1", True, 50),
        (str(fit.made), True, 0),
    ]
    inputs, labels = toy.samples(50, 5)
    answer = search.ask(gallery, input=inputs[0].tolist(), k=5)
    assert answer["encoder"] == str(fit.made)
    of = dict(zip(toy.ids(50, "item"), labels, strict=True))
    right = [
        of[search.ids(gallery, input=inputs[row].tolist(), k=2)[0]] == labels[row]
        for row in range(20)
    ]
    assert sum(right) >= 18
