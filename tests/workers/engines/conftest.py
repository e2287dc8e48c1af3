"""Engines of every kind, each with data of its own."""

import os
import uuid
from collections.abc import Iterator

import pytest

from tests.builders import engines as build
from tests.builders.milvus_server import MilvusServer
from workers.engines.engine import Engine

MARKS = {"pgvector": [pytest.mark.django_db(transaction=True, databases=["vectors"])]}
"""What a test of an engine needs."""


def kinds(names):
    """Return engines as parameters of the fixture ``kind``: those that are installed."""
    here = [name for name in names if name in build.INSTALLED]
    return [pytest.param(name, marks=MARKS.get(name, [])) for name in here]


def pytest_generate_tests(metafunc):
    """Run every test with each engine that can keep its promise; a marker names fewer."""
    if "kind" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("engines")
        names = build.OPENERS if only is None else only.args[0]
        metafunc.parametrize("kind", kinds(names), indirect=True)


@pytest.fixture
def kind(request, tmp_path) -> build.Kind:
    """An engine that can be opened several times over the same data."""
    place = str(tmp_path / "engine")
    if request.param == "pgvector":
        from django.db import connections  # absent in the environment of Milvus

        database = connections["vectors"].settings_dict["NAME"]
        place = os.environ["VECTORS_URL"].replace("/vectors?", f"/{database}?")
    if request.param == "milvus":
        place = request.getfixturevalue("milvus").url
    return build.Kind(request.param, place)


@pytest.fixture(scope="session")
def milvus(tmp_path_factory) -> Iterator[MilvusServer]:
    """The session's server, which is running."""
    server = MilvusServer(tmp_path_factory.mktemp("milvus"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def engine(kind) -> Iterator[Engine]:
    """An open engine."""
    opened = kind.open()
    yield opened
    opened.close()


@pytest.fixture
def name(engine) -> Iterator[str]:
    """The name of a collection that no other test uses; it is dropped in the end."""
    unique = f"g1-s{uuid.uuid4().hex[:12]}"
    yield unique
    engine.drop(unique)
