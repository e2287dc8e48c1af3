"""Every example in a docstring of the adapters is true."""

import doctest
import importlib
import pkgutil

import pytest

import compat.adapters

MODULES = [f"compat.adapters.{m.name}" for m in pkgutil.iter_modules(compat.adapters.__path__)]


@pytest.mark.parametrize("name", [m for m in MODULES if not m.endswith("vector_map")])
def test_examples_are_true(name):
    outcome = doctest.testmod(importlib.import_module(name))

    assert outcome.attempted > 0
    assert outcome.failed == 0
