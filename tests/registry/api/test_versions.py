"""Versions: upload with lineage, read, resolve, download, recorded outputs."""

import hashlib

import pytest

from registry.catalog.models import LineageEdge, ModelVersion
from registry.core.data import artifact_store
from registry.evaluation.models import Outputs
from registry.evaluation.services import outputs as computing
from registry.upgrades.models import Upgrade
from tests.builders import registry as make
from tests.registry.api.conftest import refusal


@pytest.fixture
def model(db):
    return make.a_model("digits")


def test_an_upload_makes_a_version_and_opens_its_upgrade(api, model):
    parent = make.a_version(model)
    content = make.model_bytes()

    response = api.upload(
        "models/digits/versions",
        content,
        file_name="net.onnx",
        manifest=make.a_manifest(),
        parents=[{"version": "digits:1", "relation": "fine_tuned_from"}],
        card="better",
        sha256=hashlib.sha256(content).hexdigest(),
    )

    assert response.status_code == 201
    found = response.json()["version"]
    assert found == api.get("models/digits/versions/2").json()
    assert (found["version"], found["number"], found["state"]) == ("digits:2", 2, "inspecting")
    assert found["parents"] == [{"version": str(parent), "relation": "fine_tuned_from"}]
    assert (found["file_name"], found["size_bytes"]) == ("net.onnx", len(content))
    assert found["artifact"] == hashlib.sha256(content).hexdigest()
    assert found["manifest"] == make.a_manifest()
    assert (found["card"], found["error"]) == ("better", None)
    upgrade = Upgrade.objects.get(pk=response.json()["upgrade"])
    assert str(upgrade.alias) == "digits@production"
    assert upgrade.candidate.number == 2
    assert upgrade.created_by == api.owner


def test_an_upload_may_be_for_another_alias(api, model):
    response = api.upload(
        "models/digits/versions", make.model_bytes(), manifest=make.a_manifest(), alias="staging"
    )

    upgrade = Upgrade.objects.get(pk=response.json()["upgrade"])
    assert upgrade.alias.name == "staging"


@pytest.mark.parametrize("as_json", [True, False])
def test_a_version_of_recorded_outputs_has_no_file(api, model, as_json):
    manifest = make.a_manifest(recorded=True)

    send = api.post if as_json else api.upload
    response = send("models/digits/versions", manifest=manifest)

    assert response.status_code == 201
    found = response.json()["version"]
    assert (found["state"], found["artifact"], found["size_bytes"]) == ("ready", None, None)


def upload(api, content=None, **changes):
    fields = {"manifest": make.a_manifest()} | changes
    return api.upload("models/digits/versions", content or make.model_bytes(), **fields)


def test_the_same_artifact_and_manifest_are_one_version(api, model):
    content = make.model_bytes()
    upload(api, content)

    assert refusal(upload(api, content)) == (409, "duplicate_version")


def test_the_same_artifact_with_another_manifest_is_another_version(api, model):
    content, other = make.model_bytes(), make.a_manifest()
    other["input"]["dtype"] = "uint8"
    upload(api, content)

    assert upload(api, content, manifest=other).status_code == 201


def parent(version, relation="retrained_from"):
    return {"version": version, "relation": relation}


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"manifest": {"schema": 2}}, 400, "invalid_manifest"),
        ({"manifest": []}, 400, "invalid_manifest"),
        ({"manifest": "no JSON"}, 400, "invalid_input"),
        ({"manifest": "[" * 100_000}, 400, "invalid_input"),
        ({"manifest": '{"schema": NaN}'}, 400, "invalid_input"),
        ({"manifest": {"name": "\x00"}}, 400, "invalid_input"),
        ({"manifest": {"name": ["\ud800"]}}, 400, "invalid_input"),
        ({"manifest": make.a_manifest("embedding")}, 400, "task_mismatch"),
        ({"manifest": make.a_manifest(recorded=True)}, 400, "manifest_mismatch"),
        ({"parents": {"version": "digits:1"}}, 400, "invalid_input"),
        ({"parents": [{"version": "digits:1"}]}, 400, "invalid_input"),
        ({"parents": [parent("digits:9")]}, 404, "unknown_version"),
        ({"parents": [parent("digits@gone")]}, 404, "unknown_alias"),
        ({"parents": [parent("digits")]}, 400, "invalid_reference"),
        ({"parents": [parent("digits:1", "stolen_from")]}, 400, "unknown_relation"),
        ({"parents": [parent("digits:1")] * 2}, 409, "duplicate_parent"),
        ({"alias": "a b"}, 400, "invalid_input"),
        ({"alias": "x" * 51}, 400, "invalid_input"),
        ({"sha256": "abc"}, 400, "invalid_input"),
    ],
)
def test_what_is_wrong_with_an_upload_is_named_and_nothing_is_made(
    api, model, changes, status, code
):
    make.a_version(model)

    assert refusal(upload(api, **changes)) == (status, code)
    assert ModelVersion.objects.count() == 1
    assert not Upgrade.objects.exists()


def test_a_manifest_that_is_missing_is_named(api, model):
    response = api.upload("models/digits/versions", make.model_bytes())

    assert refusal(response) == (400, "invalid_input")
    assert "manifest" in response.json()["detail"]


def test_an_upload_to_an_unknown_model_stores_nothing(api):
    content = make.model_bytes()

    response = api.upload("models/gone/versions", content, manifest=make.a_manifest())

    assert refusal(response) == (404, "unknown_model")
    assert not (artifact_store()._place(hashlib.sha256(content).hexdigest())).exists()


def test_an_unknown_version_is_named(api, model):
    make.a_version(model)

    assert refusal(api.get("models/digits/versions/2")) == (404, "unknown_version")
    assert refusal(api.get(f"models/digits/versions/{10**30}")) == (404, "unknown_version")


def test_a_refused_version_says_why(api, model):
    make.a_version(model, state="refused")

    found = api.get("models/digits/versions/1").json()

    assert found["state"] == "refused"
    assert found["error"] == {"code": "invalid_graph", "detail": "the graph does not parse"}


def test_versions_are_listed_newest_first(api, model):
    promoted = make.a_promoted_upgrade(make.an_alias(model)).candidate
    make.a_version(model)

    listed = api.get("models/digits/versions").json()["results"]

    assert [one["number"] for one in listed] == [2, 1]
    assert listed[1]["aliases"] == ["production"]
    assert listed[1]["digest"] == promoted.digest
    assert "manifest" not in listed[0]


def test_references_resolve(api, model):
    version = make.a_promoted_upgrade(make.an_alias(model)).candidate
    make.an_alias(model, "staging")

    for reference in ("digits:1", "digits@production", f"digits@sha256:{version.digest}"):
        found = api.get("resolve", reference=reference).json()
        assert found["version"] == "digits:1", reference
    assert refusal(api.get("resolve", reference="digits:9")) == (404, "unknown_version")
    assert refusal(api.get("resolve", reference="digits@gone")) == (404, "unknown_alias")
    assert refusal(api.get("resolve", reference="digits@staging")) == (404, "alias_empty")
    assert refusal(api.get("resolve", reference="../etc")) == (400, "invalid_reference")
    assert refusal(api.get("resolve")) == (400, "invalid_input")


def test_an_artifact_is_downloaded_as_an_attachment(api, model):
    content = make.model_bytes()
    upload(api, content, file_name='we"ird\r\nname.onnx')

    response = api.get("models/digits/versions/1/artifact")

    assert b"".join(response.streaming_content) == content
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["ETag"] == f'"{hashlib.sha256(content).hexdigest()}"'


def test_recorded_outputs_have_nothing_to_download(api, model):
    make.a_version(model, recorded=True)

    assert refusal(api.get("models/digits/versions/1/artifact")) == (404, "no_artifact")


def test_bytes_that_rotted_are_never_sent(api, model):
    version = make.a_version(model)
    path = artifact_store().path(version.artifact_id)
    path.chmod(0o600)
    path.write_bytes(b"\x09" + path.read_bytes()[1:])

    assert refusal(api.get("models/digits/versions/1/artifact")) == (500, "artifact_corrupt")


def test_bytes_that_are_gone_are_named(api, model):
    version = make.a_version(model)
    artifact_store().path(version.artifact_id).unlink()

    assert refusal(api.get("models/digits/versions/1/artifact")) == (404, "artifact_missing")


def test_a_parent_is_declared_afterwards(api, model):
    make.a_version(model)
    make.a_version(model)

    response = api.post(
        "models/digits/versions/2/parents", version="digits:1", relation="distilled_from"
    )

    assert response.status_code == 201
    assert response.json()["parents"] == [{"version": "digits:1", "relation": "distilled_from"}]


def test_lineage_has_no_cycle(api, model):
    for _ in range(3):
        make.a_version(model)
    path = "models/digits/versions/{}/parents"
    relation = {"relation": "retrained_from"}
    assert api.post(path.format(2), version="digits:1", **relation).status_code == 201
    assert api.post(path.format(3), version="digits:2", **relation).status_code == 201

    closing = api.post(path.format(1), version="digits:3", **relation)
    itself = api.post(path.format(1), version="digits:1", **relation)
    again = api.post(path.format(2), version="digits:1", **relation)

    assert refusal(closing) == (409, "lineage_cycle")
    assert refusal(itself) == (409, "lineage_cycle")
    assert refusal(again) == (409, "duplicate_parent")
    assert LineageEdge.objects.count() == 2


def test_a_parent_that_is_wrong_is_named(api, model):
    make.a_version(model)
    path = "models/digits/versions/1/parents"

    unknown = api.post(path, version="digits:7", relation="retrained_from")
    relation = api.post(path, version="digits:1", relation="stolen_from")

    assert refusal(unknown) == (404, "unknown_version")
    assert refusal(relation) == (400, "unknown_relation")


def test_recorded_outputs_are_uploaded(api, model):
    make.a_version(model, recorded=True)
    revision = make.a_set_revision("faces")

    response = api.upload(
        "models/digits/versions/1/recordings", make.table_bytes(), evaluation_set="faces:1"
    )

    assert response.status_code == 201
    found = response.json()
    assert (found["version"], found["evaluation_set"]) == ("digits:1", str(revision))
    assert (found["work_state"], found["is_recording"], found["error"]) == ("queued", True, None)
    assert api.get("models/digits/versions/1/outputs").json() == {"results": [found]}


def test_what_is_wrong_with_a_recording_is_named(api, model):
    recorded, weights = make.a_version(model, recorded=True), make.a_version(model)
    make.a_set_revision("faces")
    make.a_set_revision("vectors", task="embedding")
    make.a_set_revision("fresh", state="inspecting")

    def record(number, evaluation_set, content=None):
        path = f"models/digits/versions/{number}/recordings"
        return refusal(
            api.upload(path, content or make.table_bytes(), evaluation_set=evaluation_set)
        )

    assert record(weights.number, "faces:1") == (400, "not_recorded")
    assert record(recorded.number, "vectors:1") == (400, "task_mismatch")
    assert record(recorded.number, "fresh:1") == (400, "set_not_ready")
    assert record(recorded.number, "faces:2") == (404, "unknown_evaluation_set")
    assert record(recorded.number, "faces") == (400, "invalid_reference")
    assert record(recorded.number, "faces:1", b"\x80\x04") == (400, "wrong_file_type")
    assert record(9, "faces:1") == (404, "unknown_version")
    assert not Outputs.objects.exists()


def test_recorded_outputs_are_uploaded_once(api, model):
    make.a_version(model, recorded=True)
    make.a_set_revision("faces")
    path = "models/digits/versions/1/recordings"
    api.upload(path, make.table_bytes(), evaluation_set="faces:1")

    again = api.upload(path, make.table_bytes(), evaluation_set="faces:1")

    assert refusal(again) == (409, "duplicate_outputs")


def test_failed_outputs_are_computed_again(api, model):
    version, revision = make.a_version(model), make.a_set_revision("faces")
    outputs = computing.request_outputs(version=version, revision=revision)
    path = "models/digits/versions/1/outputs/faces:1/retry"
    assert refusal(api.send("POST", path)) == (409, "not_failed")
    job = computing.claim(outputs_id=outputs.pk)
    computing.fail(job=job, code="out_of_memory", detail="it grew too large")
    failed = api.get("models/digits/versions/1/outputs").json()["results"][0]

    response = api.send("POST", path)

    assert failed["error"] == {"code": "out_of_memory", "detail": "it grew too large"}
    assert response.status_code == 200
    assert (response.json()["work_state"], response.json()["error"]) == ("queued", None)


def test_outputs_that_nobody_asked_for_are_not_there(api, model):
    make.a_version(model)
    make.a_set_revision("faces")

    def retry(evaluation_set):
        return refusal(api.send("POST", f"models/digits/versions/1/outputs/{evaluation_set}/retry"))

    assert retry("faces:1") == (404, "unknown_outputs")
    assert retry("faces:2") == (404, "unknown_evaluation_set")
    assert retry("faces") == (404, "not_found")
