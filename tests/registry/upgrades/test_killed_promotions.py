"""A web process that is killed at any step of a cutover leaves the old state or the new one."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from django.core.handlers.base import BaseHandler
from django.test import RequestFactory
from django.urls import get_resolver

from compat.policy import Task
from registry.audit.models import LedgerEntry
from registry.audit.selectors import verified_head
from registry.catalog.models import Alias
from registry.galleries.models import Gallery, Item
from registry.notify.models import OutboxEvent
from registry.upgrades.services.roll_back import plan_rollback
from registry.wsgi import application
from tests import kills
from tests.builders import registry as build
from tests.soak import rounds
from workers.serving.encoders import Encoders
from workers.serving.queries import Query
from workers.serving.search import Search
from workers.serving.segments import Segments

pytestmark = [
    pytest.mark.soak,
    pytest.mark.postgres,
    pytest.mark.process,
    pytest.mark.django_db(transaction=True),
]


@dataclass(frozen=True)
class Standing:
    """All that one move changes."""

    serving: str
    epoch: int
    view: int
    gallery_epoch: int
    moves: int
    cutovers: int
    events: int
    entries: int


def standing(alias: Alias) -> Standing:
    """Read it, and require what holds before and after every move."""
    alias = Alias.objects.select_related("version__model").get(pk=alias.pk)
    gallery = Gallery.objects.select_related("live_view__encoder__model").get(alias=alias)
    assert gallery.live_view.encoder == alias.version
    assert gallery.cutovers.first().to_view == gallery.live_view
    assert gallery.segments.filter(state="insert").get() == gallery.live_view.insert_segment
    assert alias.upgrades.get(state="promoted").candidate == alias.version
    verified_head()
    return Standing(
        str(alias.version),
        alias.epoch,
        gallery.live_view.number,
        gallery.epoch,
        alias.moves.count(),
        gallery.cutovers.count(),
        OutboxEvent.objects.filter(kind="alias.moved").count(),
        LedgerEntry.objects.filter(action__in=["upgrade.promote", "upgrade.roll_back"]).count(),
    )


def after(before: Standing, target: str) -> Standing:
    """Return what one move to ``target`` makes of it."""
    numbers = {name: value + 1 for name, value in vars(before).items() if name != "serving"}
    return Standing(target, **numbers)


def assert_all_items_are_found(gallery: Gallery) -> None:
    """An exhaustive search by a process that has just started finds each row once."""
    gallery.refresh_from_db()
    query = Query(1000, {str(gallery.live_view.encoder): np.ones((1, 4), np.float32)})
    answer = Search(Segments(), Encoders()).answer(gallery.name, query)
    live = Item.objects.filter(gallery=gallery, removed_at_revision=None)
    assert answer["skipped"] == []
    assert sorted(hit["id"] for hit in answer["hits"]) == sorted(
        live.values_list("external_id", flat=True)
    )
    assert sum(gallery.segments.values_list("live_items", flat=True)) == len(answer["hits"]) == 6


@pytest.fixture
def alias() -> Alias:
    """An alias whose gallery has vectors of two versions; the first can be rolled back to."""
    alias = build.an_alias(build.a_model(task=Task.EMBEDDING))
    build.a_promoted_upgrade(alias)
    gallery = build.a_gallery(alias, items=4)
    build.a_promoted_upgrade(alias)
    build.an_insert(gallery, ["late-0", "late-1"])
    return alias


def sender(path, body, secret):
    """Return a function that sends a request with its key to a web process, and the answer."""
    key = build.a_name("key")

    def send(handler: BaseHandler = application):
        request = RequestFactory(SERVER_NAME="localhost").post(
            path,
            body,
            content_type="application/json",
            headers={"Authorization": f"Bearer {secret}", "Idempotency-Key": key},
        )
        answer = handler.get_response(request)
        replayed = answer.headers.get("Idempotency-Replayed") == "true"
        return {"status": answer.status_code, "replayed": replayed} | json.loads(answer.content)

    return send


def a_promotion(alias, secret):
    upgrade = build.a_judged_upgrade(alias)
    return str(upgrade.candidate), sender(f"/api/v1/upgrades/{upgrade.pk}/promote", {}, secret)


def a_rollback(alias, secret):
    alias.refresh_from_db()
    target = alias.moves.get(epoch=1).to_version
    lost = plan_rollback(alias=alias, target=target).unsearchable_items
    assert lost == 0
    path = f"/api/v1/models/{alias.model.name}/aliases/{alias.name}/rollback"
    return str(target), sender(path, {"version": target.number}, secret)


@pytest.mark.parametrize("kind", ["promote", "roll_back"])
def test_after_a_kill_it_is_old_or_new_and_the_request_can_be_sent_again(alias, kind, soak_row):
    assert get_resolver().url_patterns  # imported once here, not in every forked process
    secret = build.a_token()[1]
    make, other = {
        "promote": (a_promotion, a_rollback),
        "roll_back": (a_rollback, a_promotion),
    }[kind]
    if kind == "promote":
        kills.carried_out(a_rollback(alias, secret)[1])
    counted = set()
    for _ in range(2):  # the first of its kind may take a step more than those that follow
        whole = kills.carried_out(make(alias, secret)[1])
        assert whole.result["status"] == 200
        counted.add(whole.steps)
        kills.carried_out(other(alias, secret)[1])
    steps, kept, killed = min(counted), 0, 0

    for step in kills.spread(steps, rounds(ci=3, full=100)):
        target, send = make(alias, secret)
        before = standing(alias)
        killed += kills.carried_out(send, kill_at=step).was_killed
        new = after(before, target)
        now = standing(alias)
        assert now in (before, new), step
        assert_all_items_are_found(alias.galleries.get())

        again = kills.carried_out(send).result
        assert (again["status"], again["replayed"]) == (200, now == new)
        assert standing(alias) == new
        assert kills.carried_out(send).result == again | {"replayed": True}
        assert standing(alias) == new
        kept += now == new
        assert_all_items_are_found(alias.galleries.get())
        kills.carried_out(other(alias, secret)[1])

    assert killed >= rounds(ci=3, full=90)
    soak_row(
        f"web processes killed in a request to {kind.replace('_', ' ')} ({steps} steps)",
        str(killed),
        f"{killed - kept} times the old state, {kept} the new one, never between; sent again with "
        "its key: one move; items exact, ledger verified",
    )
