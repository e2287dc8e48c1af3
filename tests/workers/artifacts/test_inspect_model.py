"""The whole inspection of a model in its child: good ones pass, hostile ones end by a name."""

import time

import pytest

from tests.builders.onnx_models import (
    a_classifier_manifest,
    a_linear_model,
    a_model_that_divides_by_zero,
    a_model_that_drops_a_row,
    a_model_that_needs_memory,
    a_model_that_never_ends,
    a_model_with_nested_branches,
)
from workers.errors import PermanentError
from workers.runners.limits import GIB, Limits
from workers.runners.process import run_child

pytestmark = pytest.mark.process

THREE = a_classifier_manifest(shape=(3,))


def inspect(folder, model, manifest, **limits):
    content = model if isinstance(model, bytes) else model.SerializeToString()
    (folder / "model").write_bytes(content)
    job = {"artifact": "model", "manifest": manifest}
    kept = Limits(**{"memory_bytes": GIB, "cpu_s": 10, "wall_s": 60} | limits)
    return run_child("workers.artifacts.inspect_model", job, folder=folder, limits=kept)


def refusal(*arguments, **limits):
    with pytest.raises(PermanentError) as refused:
        inspect(*arguments, **limits)
    return refused.value.code


@pytest.mark.parametrize("batch", ["rows", 1, 5])
def test_a_good_model_passes(tmp_path, batch):
    facts = inspect(tmp_path, a_linear_model(batch=batch), a_classifier_manifest())

    assert facts["parameters"] == 12
    assert facts["inputs"][0]["shape"] == [batch, 4]


def test_values_are_no_matter_of_the_dry_run(tmp_path):
    inspect(tmp_path, a_model_that_divides_by_zero(), THREE)


def test_a_graph_that_loses_rows_is_found_by_the_dry_run(tmp_path):
    assert refusal(tmp_path, a_model_that_drops_a_row(), THREE) == "output_rows"


def test_an_axis_whose_name_is_no_text_is_refused(tmp_path):
    model = a_linear_model().SerializeToString().replace(b"rows", b"r\xffws")

    assert refusal(tmp_path, model, a_classifier_manifest()) == "not_a_model"


def test_an_endless_graph_meets_the_processor_limit(tmp_path):
    started = time.monotonic()

    assert refusal(tmp_path, a_model_that_never_ends(), THREE, cpu_s=3) == "time_limit"
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("numbers", [2**28, 2**40, 2**60])
def test_a_graph_that_fills_the_memory_is_refused(tmp_path, numbers):
    assert refusal(tmp_path, a_model_that_needs_memory(numbers), THREE) in (
        "out_of_memory",
        "run_failed",
    )


def test_a_graph_of_a_million_branches_is_refused_quickly(tmp_path):
    assert refusal(tmp_path, a_model_with_nested_branches(12), THREE, cpu_s=5) == "too_complex"
