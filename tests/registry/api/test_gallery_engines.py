"""The engine of a gallery in the API."""

import pytest

from compat.policy import Task
from tests.builders import registry as make
from tests.registry.api.conftest import refusal


@pytest.fixture
def embedder(db):
    return make.a_promoted_upgrade(make.an_alias(make.a_model("embedder", task=Task.EMBEDDING)))


def test_the_engine_is_named_when_a_gallery_is_opened_and_read_with_it(api, embedder):
    opened = api.post("galleries", name="faces", model="embedder", engine="pgvector")
    plain = api.post("galleries", name="voices", model="embedder")

    assert (opened.status_code, plain.status_code) == (201, 201)
    assert api.get("galleries/faces").json()["engine"] == "pgvector"
    assert [one["engine"] for one in api.get("galleries").json()["results"]] == [
        "pgvector",
        "files",
    ]


def test_an_engine_that_cannot_be_is_refused_with_its_code(api, embedder, settings):
    settings.VECTORS_URL = ""

    def open_one(**body):
        return refusal(api.post("galleries", name="faces", model="embedder", **body))

    assert open_one(engine="pgvector") == (409, "engine_not_configured")
    assert open_one(engine="vespa") == (400, "unknown_engine")
    attached = {"kind": "attached", "location": "s3://there"}
    assert open_one(engine="pgvector", **attached) == (400, "invalid_input")
