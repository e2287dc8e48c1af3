"""A gallery is kept in Milvus only where there is its address and its client."""

import sys

import pytest

from registry.core.errors import ConflictError
from registry.galleries import engines
from registry.galleries.models import Gallery
from tests.builders import galleries as build
from workers.engines.opened import engine_named
from workers.errors import PermanentError

URL = "http://127.0.0.1:19530"


@pytest.mark.django_db
def test_with_its_address_and_its_client_it_may_be_chosen(settings, monkeypatch):
    settings.MILVUS_URL = URL
    monkeypatch.setattr(engines, "has_package", lambda name: name == "pymilvus")

    assert "milvus" in engines.configured_engines()
    assert build.a_gallery(engine="milvus").engine == "milvus"


@pytest.mark.django_db
@pytest.mark.parametrize(("url", "is_installed"), [("", True), (URL, False)])
def test_without_one_of_them_it_is_refused(settings, monkeypatch, url, is_installed):
    settings.MILVUS_URL = url
    monkeypatch.setattr(engines, "has_package", lambda name: is_installed)

    with pytest.raises(ConflictError) as refused:
        build.a_gallery(engine="milvus")

    assert refused.value.code == "engine_not_configured"
    assert "milvus" not in engines.configured_engines()
    assert not Gallery.objects.exists()


def test_a_worker_without_its_address_or_its_client_says_which(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    monkeypatch.delitem(sys.modules, "workers.engines.milvus", raising=False)
    settings.MILVUS_URL = ""
    with pytest.raises(PermanentError) as not_configured:
        engine_named("milvus")
    settings.MILVUS_URL = URL
    with pytest.raises(PermanentError) as not_installed:
        engine_named("milvus")

    assert not_configured.value.code == "engine_not_configured"
    assert not_installed.value.code == "engine_not_installed"
    assert "pymilvus" in not_installed.value.detail
