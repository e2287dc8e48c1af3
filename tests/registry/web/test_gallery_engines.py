"""The engine of a gallery on its pages."""

import pytest

from registry.galleries.models import Gallery
from tests.builders import registry as make
from tests.registry.web.conftest import text_of


@pytest.fixture
def alias(db):
    line = make.an_alias(make.a_model("embedder", task="embedding"))
    return make.a_promoted_upgrade(line).alias


def test_an_engine_is_chosen_where_there_is_a_choice(pages, alias):
    assert "Searched by" in text_of(pages.get("/new/gallery/"))

    made = {"name": "faces", "alias": str(alias), "kind": "embedded", "engine": "pgvector"}
    assert pages.post("/new/gallery/", made).status_code == 303

    assert Gallery.objects.get(name="faces").engine == "pgvector"
    assert "searched by PostgreSQL with pgvector" in text_of(pages.get("/galleries/faces/"))


def test_where_there_is_none_nothing_is_asked_and_nothing_else_is_taken(pages, alias, settings):
    settings.VECTORS_URL = ""
    assert "Searched by" not in text_of(pages.get("/new/gallery/"))

    made = {"name": "faces", "alias": str(alias), "kind": "embedded"}
    refused = pages.post("/new/gallery/", made | {"engine": "pgvector"})
    assert refused.status_code == 422
    assert pages.post("/new/gallery/", made).status_code == 303
    assert "searched by" not in text_of(pages.get("/galleries/faces/"))


def test_what_is_typed_about_an_attached_gallery_has_no_engine(pages, alias):
    made = {"name": "faces", "alias": str(alias), "kind": "attached", "location": "s3://there"}
    held = {"held-TOTAL_FORMS": "0", "held-INITIAL_FORMS": "0"}

    assert pages.post("/new/gallery/", made | held | {"engine": "pgvector"}).status_code == 303

    assert Gallery.objects.get(name="faces").engine == "files"


def test_why_an_index_is_waited_for_is_shown(pages, alias):
    gallery = make.a_gallery(name="g", items=5)
    gallery.segments.update(
        work_state="queued", error_code="engine_unavailable", error_detail="pgvector: it is down"
    )

    assert "engine_unavailable: pgvector: it is down" in text_of(pages.get("/galleries/g/"))
