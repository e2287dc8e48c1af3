"""Versions: numbered in order, never twice, immutable, with a lineage that has no cycle."""

import threading

import pytest
from django.db import IntegrityError, connections, transaction

from registry.catalog.models import LineageEdge, ModelVersion
from registry.catalog.selectors import resolve
from registry.catalog.services import inspection
from registry.catalog.services.add_parent import add_parent
from registry.catalog.services.register_version import Parent, register_version
from registry.core.errors import DuplicateError, RegistryError
from tests.builders import registry as build

pytestmark = pytest.mark.django_db


def register(model, artifact=None, **changes):
    values = {
        "model_name": model.name,
        "manifest": build.a_manifest(model.task),
        "actor": model.created_by,
        "artifact": artifact or build.an_artifact(),
    }
    return register_version(**values | changes)


def code_of(act, *args, **values):
    with pytest.raises(RegistryError) as refused:
        act(*args, **values)
    return refused.value.code


def test_numbers_go_up_and_a_refused_upload_keeps_its_own():
    model = build.a_model()
    first, refused, third = (register(model) for _ in range(3))
    inspection.refuse(job=inspection.claim(version_id=refused.pk), code="not_a_model", detail="")

    assert [v.number for v in (first, refused, third, register(model))] == [1, 2, 3, 4]


def test_the_same_bytes_with_the_same_manifest_are_one_version():
    model, artifact = build.a_model(), build.an_artifact()
    first = register(model, artifact)
    manifest = build.a_manifest(model.task)
    manifest["output"]["classes"].reverse()

    assert code_of(register, model, artifact) == "duplicate_version"
    assert register(model, artifact, manifest=manifest).digest != first.digest


def test_a_number_that_is_spelt_otherwise_makes_no_other_version():
    model, artifact = build.a_model(), build.an_artifact()
    plain = build.a_manifest(model.task)
    spelt = {**plain, "schema": 1.0}
    register(model, artifact, manifest=plain)

    assert code_of(register, model, artifact, manifest=spelt) == "duplicate_version"


def test_what_was_refused_can_be_uploaded_again():
    model, artifact = build.a_model(), build.an_artifact()
    refused = register(model, artifact)
    inspection.refuse(job=inspection.claim(version_id=refused.pk), code="gave_up", detail="")

    assert register(model, artifact).number == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"model_name": "nobody"}, "unknown_model"),
        ({"manifest": {}}, "invalid_manifest"),
        ({"manifest": build.a_manifest("embedding")}, "task_mismatch"),
        ({"manifest": build.a_manifest("classification", recorded=True)}, "manifest_mismatch"),
        ({"parents": [Parent(1, "cousin_of")]}, "unknown_relation"),
    ],
)
def test_a_wrong_version_is_refused_and_uses_no_number(changes, code):
    model = build.a_model()

    assert code_of(register, model, **changes) == code
    assert register(model).number == 1


def test_a_parent_is_named_once():
    parent = build.a_version()
    twice = [Parent(parent.pk, "retrained_from")] * 2

    with pytest.raises(DuplicateError):
        register(parent.model, parents=twice)


def test_lineage_has_no_cycle():
    model = build.a_model()
    first = build.a_version(model)
    second = build.a_version(model, parents=[Parent(first.pk, "retrained_from")])
    third = build.a_version(model, parents=[Parent(second.pk, "distilled_from")])
    edges = LineageEdge.objects.count()

    for child, parent in ((first, third), (first, second), (first, first)):
        values = {"relation": "compatible_with", "actor": model.created_by}
        assert code_of(add_parent, child=child, parent=parent, **values) == "lineage_cycle"
    assert LineageEdge.objects.count() == edges
    assert add_parent(child=third, parent=first, **values)
    assert code_of(add_parent, child=third, parent=first, **values) == "duplicate_parent"


def test_the_database_itself_refuses_a_version_as_its_own_parent():
    version = build.a_version()

    with pytest.raises(IntegrityError), transaction.atomic():
        LineageEdge.objects.create(child=version, parent=version, relation="retrained_from")


def test_references_of_every_form_name_the_version():
    upgrade = build.a_promoted_upgrade()
    version = upgrade.candidate
    name = version.model.name

    for reference in (f"{name}:1", f"{name}@production", f"{name}@sha256:{version.digest}"):
        assert resolve(reference) == version
    for reference, code in (
        (f"{name}:9", "unknown_version"),
        (f"{name}:{'9' * 30}", "invalid_reference"),
        (f"{name}@staging", "unknown_alias"),
        (f"{name}@sha256:{'0' * 64}", "unknown_version"),
        ("nothing", "invalid_reference"),
        ("a/b:1", "invalid_reference"),
    ):
        assert code_of(resolve, reference) == code


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_concurrent_uploads_get_different_numbers():
    model = build.a_model()
    artifacts = [build.an_artifact() for _ in range(6)]
    barrier = threading.Barrier(len(artifacts))

    def upload(artifact):
        barrier.wait(timeout=20)
        register(model, artifact)
        connections.close_all()

    threads = [threading.Thread(target=upload, args=(a,)) for a in artifacts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    numbers = ModelVersion.objects.filter(model=model).values_list("number", flat=True)
    assert sorted(numbers) == [1, 2, 3, 4, 5, 6]
