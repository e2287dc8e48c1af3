"""Engines of every kind, each with data of its own."""

import uuid
from collections.abc import Iterator

import pytest

from tests.builders import engines as build
from workers.engines.engine import Engine


@pytest.fixture(params=build.OPENERS)
def kind(request, tmp_path) -> build.Kind:
    """An engine that can be opened several times over the same data."""
    return build.Kind(request.param, str(tmp_path / "engine"))


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
