"""Uploads through pages: candidates, recordings, evaluation sets, items."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from registry.catalog.models import Artifact, ModelVersion
from registry.evaluation.models import Outputs, SetRevision
from registry.galleries.models import InsertBatch
from registry.upgrades.models import Upgrade
from tests.builders import registry as make
from tests.registry.web.conftest import HTMX, text_of

PATH = "/models/m/upload/"


def graph(name="model.onnx"):
    return SimpleUploadedFile(name, make.model_bytes())


def table(name="set.npz"):
    return SimpleUploadedFile(name, make.table_bytes())


def a_form(*parents, **changes):
    values = {"manifest": json.dumps(make.a_manifest()), "file": graph(), "card": "Better."}
    values |= {"parents-TOTAL_FORMS": str(len(parents)), "parents-INITIAL_FORMS": "0"}
    for at, (reference, relation) in enumerate(parents):
        values |= {f"parents-{at}-reference": reference, f"parents-{at}-relation": relation}
    return {key: value for key, value in (values | changes).items() if value is not None}


@pytest.fixture
def model(db):
    return make.a_model("m")


def test_a_candidate_opens_an_upgrade(pages, model):
    response = pages.post(PATH, a_form())

    upgrade = Upgrade.objects.get()
    assert response.url == f"/upgrades/{upgrade.pk}/"
    assert upgrade.candidate.card == "Better."
    assert upgrade.candidate.file_name == "model.onnx"
    assert upgrade.candidate.created_by.username == "ada"


def test_htmx_is_sent_on_by_a_header(pages, model):
    response = pages.post(PATH, a_form(), headers=HTMX)

    assert response.status_code == 204
    assert response.headers["HX-Redirect"] == f"/upgrades/{Upgrade.objects.get().pk}/"


def test_lineage_is_declared_with_its_relations(pages, model):
    first = make.a_version(model)
    form = a_form(("m:1", "fine_tuned_from"), ("", "retrained_from"))

    pages.post(PATH, form)

    edge = ModelVersion.objects.get(number=2).parent_edges.get()
    assert (edge.parent, edge.relation) == (first, "fine_tuned_from")


@pytest.mark.parametrize("reference", ["m:9", "nonsense", "m@production"])
def test_a_parent_that_is_not_there_is_told_and_stores_nothing(pages, model, reference):
    response = pages.post(PATH, a_form((reference, "retrained_from")))

    assert response.status_code == 422
    assert not Artifact.objects.exists()
    assert b'class="field-error"' in response.content


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"manifest": "{"}, 422, "not JSON"),
        ({"manifest": "[]"}, 422, "must be a JSON object"),
        ({"manifest": '{"a": NaN}'}, 422, "NaN is no JSON number"),
        ({"manifest": "{}"}, 422, "invalid_manifest"),
        ({"file": None}, 422, "choose an ONNX file"),
        ({"file": SimpleUploadedFile("m.onnx", b"\x80\x04pickle")}, 422, "wrong_file_type"),
        ({"file": SimpleUploadedFile("m.onnx", b"PK\x03\x04torch")}, 422, "wrong_file_type"),
    ],
)
def test_what_is_wrong_is_told_and_the_form_keeps_what_was_typed(
    pages, model, changes, status, told
):
    response = pages.post(PATH, a_form(**changes))

    assert response.status_code == status
    assert told in text_of(response)
    assert "Better." in response.content.decode()
    assert not ModelVersion.objects.exists()


def test_a_wrong_form_is_shown_alone_to_htmx(pages, model):
    response = pages.post(PATH, a_form(file=None), headers=HTMX)

    assert b"<html" not in response.content
    assert "choose an ONNX file" in text_of(response)


def test_the_same_candidate_twice_is_a_conflict(pages, model):
    content, manifest = make.model_bytes(), json.dumps(make.a_manifest())
    for _ in range(2):
        file = SimpleUploadedFile("m.onnx", content)
        response = pages.post(PATH, a_form(file=file, manifest=manifest))

    assert response.status_code == 409
    assert "duplicate_version" in text_of(response)


def test_the_manifest_starts_from_the_newest_version(pages, model):
    version = make.a_version(model)

    response = pages.get(PATH)

    assert json.loads(response.context["form"]["manifest"].value()) == version.manifest


@pytest.mark.parametrize("task", ["classification", "embedding"])
def test_the_first_manifest_starts_from_a_valid_example(pages, task):
    make.a_model("other", task=task)

    text = pages.get("/models/other/upload/").context["form"]["manifest"].value()
    response = pages.post("/models/other/upload/", a_form(manifest=text))

    assert response.status_code == 303


def test_recorded_outputs_come_without_a_file_and_then_set_by_set(pages, model):
    revision = make.a_set_revision("s")
    manifest = json.dumps(make.a_manifest(recorded=True))

    pages.post(PATH, a_form(file=None, manifest=manifest))
    response = pages.post(
        "/models/m/versions/1/recordings/", {"revision": revision.pk, "file": table()}
    )

    assert response.status_code == 303
    outputs = Outputs.objects.get()
    assert outputs.set_revision == revision
    assert outputs.recording is not None


def test_recorded_outputs_with_a_file_are_refused(pages, model):
    response = pages.post(PATH, a_form(manifest=json.dumps(make.a_manifest(recorded=True))))

    assert "manifest_mismatch" in text_of(response)
    assert not Artifact.objects.exists()


def test_an_evaluation_set_is_stored_and_inspected(pages):
    form = {"name": "slips", "task": "embedding", "description": "All.", "file": table("a.npz")}

    response = pages.post("/new/evaluation-set/", form)

    revision = SetRevision.objects.get()
    assert response.url == "/evaluation-sets/slips/1/"
    assert (revision.state, revision.file_name) == ("inspecting", "a.npz")


def test_an_evaluation_set_that_is_no_table_is_refused(pages):
    file = SimpleUploadedFile("a.npz", b"\x93NUMPY")

    response = pages.post("/new/evaluation-set/", {"name": "s", "task": "embedding", "file": file})

    assert response.status_code == 422
    assert "wrong_file_type" in text_of(response)


def test_an_empty_file_is_told(pages):
    file = SimpleUploadedFile("a.npz", b"")

    response = pages.post("/new/evaluation-set/", {"name": "s", "task": "embedding", "file": file})

    assert response.status_code == 422
    assert "empty" in text_of(response)


def test_items_are_queued_for_the_live_encoder(pages):
    gallery = make.a_gallery()

    response = pages.post(f"/galleries/{gallery}/items/", {"file": table()}, follow=True)

    assert InsertBatch.objects.get().gallery == gallery
    assert "queued for the live encoder" in text_of(response)
