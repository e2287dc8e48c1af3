"""What people type and upload is shown as text, on every page that shows it."""

import json
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from registry.accounts.services.tokens import issue_token
from registry.audit.models import LedgerEntry
from registry.catalog.services.register_model import register_model
from registry.evaluation.services.add_revision import add_revision
from registry.galleries.services.create_gallery import create_gallery
from registry.upgrades.services.promote import promote
from registry.upgrades.services.withdraw import withdraw
from tests.builders import checks as build
from tests.builders import registry as make

HOSTILE = "<img src=x onerror=alert(1)>\"'><script>alert(1)</script>"


def assert_harmless(response):
    assert response.status_code == 200
    body = response.content.decode()
    assert "<img src=x" not in body
    assert "<script>alert" not in body


def test_descriptions_and_cards_of_models(pages, ada):
    register_model(name="m", task="embedding", actor=ada, description=HOSTILE, card=HOSTILE)

    assert_harmless(pages.get("/models/"))
    assert_harmless(pages.get("/models/m/"))
    assert_harmless(pages.get("/models/", {"q": HOSTILE}))


def test_file_names_and_cards_of_versions(pages, ada):
    make.a_model("m")
    manifest = make.a_manifest()
    file = SimpleUploadedFile(HOSTILE.replace("/", "∕"), make.model_bytes())
    data = {"manifest": json.dumps(manifest), "card": HOSTILE, "file": file, **no_parents()}

    posted = pages.post("/models/m/upload/", data)

    assert posted.status_code == 303
    response = pages.get("/models/m/versions/1/")
    assert_harmless(response)
    assert "&lt;img src=x onerror" in response.content.decode()


def test_names_of_classes_and_slices(pages, ada):
    revision = make.a_set_revision("s")
    revision.summary = {"rows": 3, "classes": [HOSTILE], "slices": {HOSTILE: {HOSTILE: 3}}}
    revision.save(update_fields=["summary"])

    assert_harmless(pages.get("/evaluation-sets/s/1/"))


def test_descriptions_and_file_names_of_sets(pages, ada):
    add_revision(
        name="s",
        task="embedding",
        artifact=make.an_artifact(kind=make.Upload.TABLE),
        actor=ada,
        file_name=HOSTILE,
        description=HOSTILE,
    )

    for path in ("/evaluation-sets/", "/evaluation-sets/s/", "/evaluation-sets/s/1/"):
        assert_harmless(pages.get(path))


def test_flips(pages):
    upgrade = make.a_judged_upgrade()
    comparison = make.Comparison.objects.get()
    comparison.flips = [
        {"row": 1, "id": HOSTILE, "kind": "negative", "label": HOSTILE, "old": HOSTILE,
         "new": HOSTILE, "thumbnail": False}
    ]  # fmt: skip
    comparison.flip_matrix = {HOSTILE: {HOSTILE: 1}}
    comparison.save(update_fields=["flips", "flip_matrix"])

    assert_harmless(pages.get(f"/upgrades/{upgrade.pk}/"))
    assert_harmless(pages.get(f"/upgrades/{upgrade.pk}/flips/{comparison.pk}/"))


def test_checks(pages):
    check = build.a_judged_check()
    check.flips = [a_hostile_flip()]
    check.results[-1] |= {"rule": HOSTILE, "reason": HOSTILE, "rationale": HOSTILE}
    check.measurements[0] |= {"slice": HOSTILE}
    check.measurements[1] |= {"undefined": HOSTILE, "value": None}
    check.manifest = {"output": {"name": HOSTILE}}
    check.save(update_fields=["flips", "results", "measurements", "manifest"])
    failed = build.a_failed_check("strange", HOSTILE)

    for path in (f"{check.pk}/", f"{check.pk}/flips/", f"{failed.pk}/", ""):
        assert_harmless(pages.get(f"/checks/{path}", {"model": HOSTILE, "id": HOSTILE}))
        assert_harmless(pages.get(f"/checks/{path}"))
    assert_harmless(pages.get("/checks/new/", {"alias": HOSTILE}))


def test_what_two_candidates_break(pages):
    alias = make.a_promoted_upgrade().alias
    first, second = make.a_judged_upgrade(alias), make.a_judged_upgrade(alias)
    for upgrade in (first, second):
        comparison = make.Comparison.objects.get(new_digest=upgrade.candidate.digest)
        comparison.flips = [a_hostile_flip()]
        comparison.save(update_fields=["flips"])

    response = pages.get(f"/upgrades/{first.pk}/against/{second.pk}/")

    assert_harmless(response)
    assert "&lt;img src=x onerror" in response.content.decode()


def a_hostile_flip():
    return make.a_flip(1, thumbnail=False) | dict.fromkeys(("id", "label", "old", "new"), HOSTILE)


def test_reasons(pages, ada):
    upgrade = make.a_judged_upgrade()
    promote(upgrade_id=upgrade.pk, actor=ada, reason=HOSTILE)
    other = make.a_judged_upgrade(upgrade.alias)
    withdraw(upgrade_id=other.pk, actor=ada, reason=HOSTILE)
    model = upgrade.alias.model.name

    assert_harmless(pages.get(f"/models/{model}/aliases/production/"))
    for seq in LedgerEntry.objects.values_list("seq", flat=True):
        assert_harmless(pages.get(f"/ledger/{seq}/"))


def test_what_a_worker_says_about_an_upload(pages):
    version = make.a_version(state="refused")
    version.error_detail = HOSTILE
    version.save(update_fields=["error_detail"])

    assert_harmless(pages.get(f"/models/{version.model.name}/versions/1/"))


def test_galleries_and_tokens(pages, ada):
    alias = make.a_promoted_upgrade(make.an_alias(make.a_model(task="embedding"))).alias
    create_gallery(name="g", alias=alias, actor=ada, description=HOSTILE)
    issue_token(owner=ada, name=HOSTILE, scopes=["read"], lifetime=timedelta(days=1))

    assert_harmless(pages.get("/galleries/"))
    assert_harmless(pages.get("/galleries/g/"))
    assert_harmless(pages.get("/tokens/"))


@pytest.mark.parametrize("key", ["subject", "action", "actor"])
def test_filters_of_the_ledger(pages, key):
    assert_harmless(pages.get("/ledger/", {key: HOSTILE}))


def no_parents():
    return {
        "parents-TOTAL_FORMS": "0",
        "parents-INITIAL_FORMS": "0",
    }
