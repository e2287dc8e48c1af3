"""The gallery side with real graphs and children: passes, is prepared, promoted, and searched."""

from functools import partial

import numpy as np
import pytest
from celery import current_app

from registry.core.errors import GateNotPassedError
from registry.core.leases import WorkState
from registry.evaluation.models import Comparison
from registry.galleries.models import Twin
from registry.galleries.selectors import live_view
from registry.galleries.services.insert import insert_vectors
from registry.upgrades.models import Upgrade
from registry.upgrades.repairs import figures_of
from registry.upgrades.services.adapters import request_adapter
from registry.upgrades.services.promote import promote
from registry.upgrades.services.roll_back import plan_rollback, roll_back
from tests.builders import toy
from tests.builders.lines import Line
from tests.workers.serving.test_adapted_encoder import a_pool

pytestmark = [pytest.mark.process, pytest.mark.django_db]


def settle_without(queue, name):
    """Run all work but that, which goes on to wait."""
    waiting = []
    while queue.sent:
        asked, args = queue.sent.popleft()
        if asked == name:
            waiting.append((asked, args))
        else:
            queue.act(partial(current_app.tasks[asked], *args))
    queue.sent.extend(waiting)


def previewed(search, gallery, upgrade):
    """Return the live answer to one input and the one after a promotion."""
    answer = search.client.post(
        f"/preview/galleries/{gallery.name}",
        {"upgrade": upgrade.pk, "input": toy.samples(1, 5)[0][0].tolist(), "k": 5},
        content_type="application/json",
        headers={"Authorization": f"Bearer {search.secret}"},
    )
    assert answer.status_code == 200, answer.content
    return answer.json()


def go_back(line, target):
    """Roll back to a version, confirm what it costs, and run what follows; return the plan."""
    plan = plan_rollback(alias=line.alias, target=target)
    line.queue.act(
        roll_back,
        alias=line.alias,
        target=target,
        actor=line.person,
        reason="tried",
        confirm_unsearchable=plan.unsearchable_items,
    )
    line.queue.settle()
    line.alias.refresh_from_db()
    return plan


def right(search, gallery):
    """Return the share of inserted inputs whose nearest other item of them is of their class."""
    inputs, labels = toy.samples(50, 5)
    of = dict(zip(toy.ids(50, "item"), labels, strict=True))
    hits = [search.ids(gallery, input=row.tolist(), k=20) for row in inputs[:20]]
    nearest = [
        next(name for name in found if name in of and name != f"item-{row:04d}")
        for row, found in enumerate(hits)
    ]
    return np.mean([of[name] == label for name, label in zip(nearest, labels, strict=False)])


def test_an_independent_candidate_searches_vectors_that_were_rewritten(queue, search):
    line = Line(queue, rows=250)
    line.promote(line.judge(toy.encoder("old")))
    gallery = line.gallery()
    old = line.alias.version
    handed_in = toy.samples(1, 6)[0][0].tolist()
    insert_vectors(
        gallery=gallery, producer=old, ids=["bare"], vectors=[handed_in], actor=line.person
    )
    failed = line.judge(toy.encoder("independent"))
    assert failed.verdict.outcome == "failed"

    fit = queue.act(
        request_adapter,
        upgrade_id=failed.pk,
        revision=a_pool(line),
        actor=line.person,
        side="gallery",
    )
    settle_without(queue, "rewrite_twin")

    fit.refresh_from_db()
    assert (fit.work_state, fit.error_code) == (WorkState.DONE, ""), fit.error_detail
    upgrade = Upgrade.objects.get(candidate=fit.made)
    assert upgrade.verdict.outcome == "passed", upgrade.verdict.results
    mean = figures_of(fit)[0]
    assert mean.untouched.value < mean.old_old.value < mean.adapted.value
    compared = Comparison.objects.get(new_digest=fit.made.digest)
    assert set(compared.rewritten) == {"new_old"}

    assert Twin.objects.filter(encoder=fit.rewriter, work_state="queued").count() == 2
    with pytest.raises(GateNotPassedError, match="51 items that are not rewritten") as refused:
        promote(upgrade_id=upgrade.pk, actor=line.person)
    assert refused.value.code == "gallery_not_covered"
    assert previewed(search, gallery, upgrade)["unsearchable_items"] == 51
    line.insert(gallery, toy.items(4, seed=8, prefix="late"))
    assert Twin.objects.filter(encoder=fit.rewriter, work_state="done").count() == 3
    preview = previewed(search, gallery, upgrade)
    assert (preview["mode"], preview["searchable_items"]) == ("evidence", 55)
    assert {hit["producer"] for hit in preview["preview"]["hits"]} == {str(fit.rewriter)}

    line.promote(upgrade)

    live = live_view(gallery.name)
    assert live.encoder == fit.made
    assert [(s.producer, s.searchable, s.live_items) for s in live.segments] == [
        (str(fit.rewriter), True, 55),
        (str(fit.made), True, 0),
    ]
    assert right(search, gallery) >= 0.8
    line.insert(gallery, toy.items(4, seed=9, prefix="new"))
    answer = search.ask(gallery, input=toy.samples(1, 5)[0][0].tolist(), k=59)
    assert (len(answer["hits"]), answer["skipped"], answer["merged_by"]) == (59, [], "score")

    go_back(line, old)
    back = live_view(gallery.name)
    assert [(s.producer, s.twins_by) for s in back.segments][0] == (str(old), None)
    assert right(search, gallery) >= 0.8
    queue.act(current_app.tasks["sweep"])
    assert not Twin.objects.filter(encoder=fit.rewriter).exists()

    plan = go_back(line, fit.made)
    assert (plan.unsearchable_items, plan.returning_items) == (55, 55)
    assert right(search, gallery) >= 0.8
    answer = search.ask(gallery, input=toy.samples(1, 5)[0][0].tolist(), k=59)
    assert (len(answer["hits"]), answer["skipped"]) == (59, [])
