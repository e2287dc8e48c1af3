"""Adapters over the API: asked for, read with what was measured, refused with a code."""

import pytest

from registry.audit.models import LedgerEntry
from registry.upgrades.models import AdapterFit, Upgrade
from tests.builders import registry as make
from tests.builders.adapters import a_pool, an_unpassed_upgrade, finish
from tests.registry.api.conftest import refusal

pytestmark = pytest.mark.django_db


def test_an_adapter_is_asked_for_and_read_until_its_version_is_judged(api):
    failed = an_unpassed_upgrade()
    a_pool("pool")
    path = f"upgrades/{failed.pk}/adapters"

    asked = api.post(path, evaluation_set="pool:1")
    waiting = api.get(path).json()["results"]
    fit = finish(AdapterFit.objects.get())
    upgrade = make.judge(Upgrade.objects.get(candidate=fit.made))
    (done,) = api.get(path).json()["results"]

    assert asked.status_code == 202
    assert [asked.json()] == waiting
    assert (asked.json()["work_state"], asked.json()["result"]) == ("queued", None)
    assert asked.json()["evaluation_set"] == "pool:1"
    assert asked.json()["requested_by"] == api.owner.username
    assert (done["work_state"], done["version"]) == ("done", str(fit.made))
    assert done["version_upgrade"] == upgrade.pk
    assert done["result"]["method"] == "procrustes"
    assert [one["name"] for one in done["result"]["tried"]] == [
        "procrustes",
        "low_rank_affine",
        "residual_mlp",
    ]
    assert done["result"]["stay_old"]["retained"] == 0.4
    figures = done["figures"][0]
    assert (figures["measure"], figures["gain"]["value"]) == ("map", pytest.approx(0.03))
    assert figures["gain"]["bounds"]["lower"]["0.95"] == pytest.approx(0.02)


def test_the_same_key_asks_once(api):
    failed = an_unpassed_upgrade()
    a_pool("pool")

    answers = [
        api.post(
            f"upgrades/{failed.pk}/adapters",
            headers={"Idempotency-Key": "k"},
            evaluation_set="pool:1",
        )
        for _ in range(2)
    ]

    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["Idempotency-Replayed"] == "true"


def test_a_set_that_judges_is_refused_and_the_refusal_is_in_the_ledger(api):
    failed = an_unpassed_upgrade()
    judging = failed.alias.gate.pins.get().set_revision

    answer = api.post(f"upgrades/{failed.pk}/adapters", evaluation_set=str(judging))

    assert refusal(answer) == (409, "set_judges_the_alias")
    entry = LedgerEntry.objects.latest("seq")
    assert (entry.action, entry.subject) == ("upgrade.fit_adapter", f"upgrade:{failed.pk}")
    assert entry.body["refused"] == "set_judges_the_alias"


def test_what_is_not_there_is_not_found(api):
    failed = an_unpassed_upgrade()

    assert refusal(api.get("upgrades/987/adapters")) == (404, "unknown_upgrade")
    answer = api.post(f"upgrades/{failed.pk}/adapters", evaluation_set="nothing:1")
    assert refusal(answer) == (404, "unknown_evaluation_set")


def test_a_fitted_set_is_not_pinned_afterwards(api):
    failed, pool = an_unpassed_upgrade(), a_pool("pool")
    api.post(f"upgrades/{failed.pk}/adapters", evaluation_set=str(pool))

    path = f"models/{failed.alias.model.name}/aliases/production/pins"

    assert refusal(api.post(path, evaluation_set=str(pool))) == (409, "set_was_fitted_on")


def test_the_gallery_side_tells_its_rewriter_and_how_far_galleries_are(api):
    failed = an_unpassed_upgrade()
    make.a_gallery(failed.alias, "faces", items=3)
    a_pool("pool")
    path = f"upgrades/{failed.pk}/adapters"

    asked = api.post(path, evaluation_set="pool:1", side="gallery")
    fit = finish(AdapterFit.objects.get())
    (done,) = api.get(path).json()["results"]

    assert (asked.json()["side"], asked.json()["rewriter"]) == ("gallery", None)
    assert asked.json()["preparations"] == []
    assert (done["version"], done["rewriter"]) == (str(fit.made), str(fit.rewriter))
    assert done["preparations"] == [
        {
            "gallery": "faces",
            "items": 3,
            "rewritten": 0,
            "is_wanted": False,
            "failed_batches": 0,
            "reason": "",
        }
    ]
    assert refusal(api.post(path, evaluation_set="pool:1", side="both")) == (400, "invalid_input")
