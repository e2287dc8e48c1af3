"""Every example in a docstring of the measures is true, and every public function has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import compat.metrics

MODULES = [f"compat.metrics.{m.name}" for m in pkgutil.iter_modules(compat.metrics.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name):
    outcome = doctest.testmod(importlib.import_module(name))

    assert outcome.attempted > 0
    assert outcome.failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_says_what_it_takes_and_returns_and_shows_one_example(name):
    module = importlib.import_module(name)
    functions = [
        f
        for f_name, f in inspect.getmembers(module, inspect.isfunction)
        if f.__module__ == name and not f_name.startswith("_")
    ]

    for function in functions:
        text = inspect.getdoc(function) or ""
        for part in ("Args:", "Example:"):
            assert part in text, f"{name}.{function.__name__} has no {part}"
        assert "Returns:" in text or "Yields:" in text
