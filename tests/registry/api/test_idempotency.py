"""Creating requests that are repeated: one act, the same answer."""

import threading

import pytest
from django.db import connection

from registry.api.models import IdempotencyKey
from registry.audit.models import LedgerEntry
from registry.catalog.models import ModelVersion, RegisteredModel
from registry.upgrades.models import Upgrade
from tests.builders import registry as make
from tests.registry.api.conftest import Api, refusal

KEY = {"Idempotency-Key": "a-key"}


def register(api, name="digits", headers=KEY):
    return api.post("models", headers, name=name, task="classification")


def test_a_repetition_gets_the_first_answer_and_does_nothing(api):
    first = register(api)
    entries = LedgerEntry.objects.count()
    again = register(api)

    assert first.status_code == again.status_code == 201
    assert again.json() == first.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert LedgerEntry.objects.count() == entries


def test_the_answer_is_the_first_one_even_when_things_have_moved(api):
    first = register(api)
    make.a_version(RegisteredModel.objects.get())

    assert register(api).json() == first.json()
    assert api.get("models/digits").json()["last_number"] == 1


def test_without_a_key_a_repetition_is_a_duplicate(api):
    register(api, headers={})

    assert refusal(register(api, headers={})) == (409, "duplicate_model")
    assert not IdempotencyKey.objects.exists()


def test_a_key_is_for_one_request(api):
    register(api)

    other_body = register(api, name="faces")
    other_path = api.post("evaluation-sets/x", KEY)
    other_act = api.post("policies", KEY, name="digits", document=make.a_policy_document())

    assert refusal(other_body) == (422, "idempotency_key_reused")
    assert other_path.status_code == 405
    assert refusal(other_act) == (422, "idempotency_key_reused")
    assert RegisteredModel.objects.count() == 1


def test_keys_of_different_people_do_not_meet(api):
    other = Api("write")
    register(api)

    response = register(other, name="faces")

    assert response.status_code == 201
    assert "Idempotency-Replayed" not in response.headers


def test_a_refused_request_leaves_its_key_free(api):
    wrong = api.post("models", KEY, name="a b", task="classification")

    assert wrong.status_code == 400
    assert not IdempotencyKey.objects.exists()
    assert register(api).status_code == 201


def test_a_refused_act_leaves_its_key_free_and_is_in_the_ledger(api):
    upgrade = make.a_judged_upgrade(outcome="failed")

    refused = api.post(f"upgrades/{upgrade.pk}/promote", KEY)

    assert refusal(refused) == (409, "gate_not_passed")
    assert not IdempotencyKey.objects.exists()
    assert LedgerEntry.objects.filter(action="upgrade.promote").count() == 1


def test_a_dry_run_keeps_no_key(api):
    upgrade = make.a_judged_upgrade()
    path = f"upgrades/{upgrade.pk}/promote"

    dry = api.post(path, KEY, dry_run=True)
    done = api.post(path, KEY)
    again = api.post(path, KEY)

    assert dry.json()["dry_run"] is True
    assert done.json()["dry_run"] is False
    assert again.json() == done.json()
    assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("key", ["", "x" * 101, "a\tb"])
def test_a_key_has_a_form(api, key):
    response = register(api, headers={"Idempotency-Key": key})

    assert refusal(response) == (400, "invalid_idempotency_key")


def upload(api, content, **fields):
    manifest = make.a_manifest()
    return api.upload("models/digits/versions", content, headers=KEY, manifest=manifest, **fields)


def test_an_upload_is_repeated_by_its_bytes_not_by_its_file_name(api):
    make.a_model("digits")
    content = make.model_bytes()

    first = upload(api, content, file_name="net.onnx")
    again = upload(api, content, file_name="copy.onnx")
    other = upload(api, make.model_bytes())

    assert first.status_code == 201
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert refusal(other) == (422, "idempotency_key_reused")
    assert ModelVersion.objects.count() == Upgrade.objects.count() == 1


def test_the_status_is_kept_too(api):
    gallery = make.a_gallery(name="faces")
    content = make.table_bytes()

    statuses = [
        api.upload("galleries/faces/items", content, headers=KEY).status_code for _ in range(2)
    ]

    assert statuses == [202, 202]
    assert gallery.batches.count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_requests_of_one_key_at_the_same_time_are_one_act():
    api = Api("write")
    start, answers = threading.Barrier(4), []

    def ask():
        start.wait()
        try:
            answers.append(register(api))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [answer.status_code for answer in answers] == [201] * 4
    assert all(answer.json() == answers[0].json() for answer in answers)
    replayed = ["Idempotency-Replayed" in answer.headers for answer in answers]
    assert sorted(replayed) == [False, True, True, True]
    assert RegisteredModel.objects.count() == 1
    assert LedgerEntry.objects.filter(action="model.register").count() == 1
