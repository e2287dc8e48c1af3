"""Engines of every kind, each with data of its own."""

import os
import uuid
from collections.abc import Iterator

import pytest
from django.db import connections

from tests.builders import engines as build
from workers.engines.engine import Engine

MARKS = {"pgvector": [pytest.mark.django_db(transaction=True, databases=["vectors"])]}
"""What a test of an engine needs."""


def kinds(names):
    """Return engines as parameters of the fixture ``kind``."""
    return [pytest.param(name, marks=MARKS.get(name, [])) for name in names]


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
        database = connections["vectors"].settings_dict["NAME"]
        place = os.environ["VECTORS_URL"].replace("/vectors?", f"/{database}?")
    return build.Kind(request.param, place)


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
