"""Fit on paired outputs, choose, append, and never promise what the graph does not do."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.builders import toy
from workers.artifacts import inspect_set
from workers.artifacts.onnx_checks import read_model
from workers.artifacts.vector_graphs import vector_manifest
from workers.errors import PermanentError
from workers.pipelines import compute_outputs, fit_adapter
from workers.runners.limits import GIB, Limits
from workers.runners.onnx_runner import OnnxRunner
from workers.runners.process import run_child


def silent(done, total):
    pass


def a_set(folder, name, seed, **changes):
    upload = toy.an_evaluation_set(rows=changes.pop("rows", 200), seed=seed)
    (folder / "upload").write_bytes(upload)
    inspect_set.main({"artifact": "upload", "task": "embedding"}, folder, silent)
    (folder / "set.npz").rename(folder / name)


def a_job(folder, new="independent", rows=200):
    a_set(folder, "pool.npz", seed=2, rows=rows)
    a_set(folder, "judged.npz", seed=1)
    job = {"set": "pool.npz", "judged": {"digits:1": "judged.npz"}, "device": "cpu"}
    for side, kind in (("new", new), ("old", "old")):
        graph, manifest = toy.encoder(kind)
        (folder / f"{side}.onnx").write_bytes(graph)
        compute_outputs.main(
            {"artifact": f"{side}.onnx", "manifest": manifest, "set": "pool.npz", "device": "cpu"},
            folder,
            silent,
        )
        (folder / "outputs.npz").rename(folder / f"{side}.npz")
        job |= {side: f"{side}.npz", f"{side}_manifest": manifest}
    return job | {"artifact": "new.onnx", "distance": "cosine", "side": "query"}


@pytest.mark.process
def test_a_child_leaves_an_adapted_graph_and_says_what_each_method_was_worth(tmp_path):
    job = a_job(tmp_path)

    result = run_child(
        "workers.pipelines.fit_adapter",
        job,
        folder=tmp_path,
        limits=Limits(memory_bytes=3 * GIB, cpu_s=120),
    )

    assert [one["name"] for one in result["tried"]] == [
        "procrustes",
        "low_rank_affine",
        "residual_mlp",
    ]
    assert result["method"] in {one["name"] for one in result["tried"]}
    assert (result["fitted"], result["held_out"]) == (150, 50)
    assert result["difference"] <= fit_adapter.TOLERANCE
    assert result["manifest"]["input"] == job["new_manifest"]["input"]
    assert result["manifest"]["output"]["dimension"] == 12
    adapted = compute_outputs.main(
        {
            "artifact": "adapted.onnx",
            "manifest": result["manifest"],
            "set": "judged.npz",
            "device": "cpu",
        },
        tmp_path,
        silent,
    )
    assert adapted["rows"] == 200


def test_on_the_gallery_side_stored_vectors_are_mapped_with_and_without_the_encoder(tmp_path):
    job = a_job(tmp_path) | {"side": "gallery", "artifact": "old.onnx"}
    job["new_manifest"] = job["new_manifest"] | {"rewritten": "is of the asking version alone"}

    result = fit_adapter.main(job, tmp_path, silent)

    assert result["manifest"] == job["old_manifest"] | {"output": result["manifest"]["output"]}
    inputs, _ = toy.samples(50, 5)
    by_the_encoder = OnnxRunner((tmp_path / "adapted.onnx").read_bytes(), result["manifest"])
    stored = OnnxRunner((tmp_path / "old.onnx").read_bytes(), job["old_manifest"]).run(inputs)
    wanted = OnnxRunner((tmp_path / "new.onnx").read_bytes(), job["new_manifest"]).run(inputs)
    manifest = vector_manifest(12, job["new_manifest"]["output"])
    alone, _ = read_model(tmp_path / "vectors.onnx", manifest)
    rewritten = OnnxRunner(alone, manifest).run(stored)
    np.testing.assert_allclose(rewritten, by_the_encoder.run(inputs), atol=1e-5)
    np.testing.assert_allclose(OnnxRunner(alone, manifest).run(3 * stored), rewritten, atol=1e-5)
    assert (rewritten * wanted).sum(axis=1).mean() > 0.9 > (stored * wanted).sum(axis=1).mean()


def test_samples_that_judge_the_alias_are_refused_under_whatever_name(tmp_path):
    job = a_job(tmp_path)
    job["judged"] = {"digits:1": "judged.npz", "digits:2": "pool.npz"}

    with pytest.raises(PermanentError, match="digits:2") as refused:
        fit_adapter.main(job, tmp_path, silent)

    assert refused.value.code == "set_judges_the_alias"


def test_too_few_pairs_are_refused(tmp_path):
    with pytest.raises(PermanentError, match="too few") as refused:
        fit_adapter.main(a_job(tmp_path, rows=50), tmp_path, silent)

    assert refused.value.code == "nothing_to_fit"


def test_a_graph_that_does_something_else_than_the_map_is_refused(tmp_path, monkeypatch):
    job = a_job(tmp_path)
    real = fit_adapter.append_adapter

    def wrong(data, output, adapter, *, unit_length):
        nudged = replace(adapter, linear=adapter.linear + 1e-4 * torch.eye(12).flip(0))
        return real(data, output, nudged, unit_length=unit_length)

    monkeypatch.setattr(fit_adapter, "append_adapter", wrong)

    with pytest.raises(PermanentError) as refused:
        fit_adapter.main(job, tmp_path, silent)

    assert refused.value.code == "adapter_differs"


def test_of_very_many_pairs_some_are_taken_from_first_to_last(tmp_path, monkeypatch):
    monkeypatch.setattr(fit_adapter, "MOST_PAIRS", 100)

    result = fit_adapter.main(a_job(tmp_path), tmp_path, silent)

    assert result["fitted"] + result["held_out"] == 100
    assert np.isfinite(result["difference"])
