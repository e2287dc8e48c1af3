"""From an upload to a canonical evaluation set, and what is said of an upload that is none."""

import hashlib

import numpy as np
import pytest

from tests.builders.tables import columns, npz, parquet
from workers.artifacts import inspect_set
from workers.artifacts.inspect_set import main, read_set
from workers.artifacts.stored import CanonicalSet
from workers.artifacts.upload import open_table
from workers.errors import PermanentError
from workers.runners.limits import GIB, Limits
from workers.runners.process import run_child

KINDS = pytest.mark.parametrize("write", [npz, parquet])
LIMITS = Limits(memory_bytes=GIB, cpu_s=60, wall_s=120)


def silent(done, total):
    pass


def canonical(folder, write=npz, task="embedding", **changes):
    write(folder, columns(**changes))
    main({"artifact": "upload", "task": task}, folder, silent)
    return CanonicalSet.read(folder / "set.npz")


def summary(folder, write=npz, task="embedding", **changes):
    write(folder, columns(**changes))
    return main({"artifact": "upload", "task": task}, folder, silent)


def refusal(folder, write=npz, task="embedding", **changes):
    path = write(folder, columns(**changes))
    with pytest.raises(PermanentError) as refused:
        read_set(open_table(path), task)
    return refused.value


@KINDS
def test_the_canonical_set_holds_what_was_uploaded(tmp_path, write):
    kept = canonical(
        tmp_path,
        write,
        label=["dog", "cat", "dog", "cat", "eel", "eel"],
        role=["query", "gallery", "gallery", "query", "both", "both"],
        identity=["x", "x", "y", "y", "z", "z"],
        pinned=[False, True] * 3,
        light=["day", "night", "day", "night", "day", "day"],
    )

    assert kept.ids.tolist() == [f"m-{row}" for row in range(6)]
    assert kept.classes.tolist() == ["cat", "dog", "eel"]
    assert kept.labels.tolist() == [1, 0, 1, 0, 2, 2]
    assert kept.labels.dtype == np.int64
    assert kept.is_query.tolist() == [True, False, False, True, True, True]
    assert kept.is_gallery.tolist() == [False, True, True, False, True, True]
    assert kept.identities.tolist() == [0, 0, 1, 1, 2, 2]
    assert kept.pinned.tolist() == [False, True] * 3
    assert kept.inputs.tolist() == columns()["input"].tolist()
    assert {name: values.tolist() for name, values in kept.slices.items()} == {
        "light": ["day", "night", "day", "night", "day", "day"]
    }


@KINDS
def test_the_summary_says_what_the_set_is(tmp_path, write):
    assert summary(
        tmp_path,
        write,
        role=["query", "gallery", "both"] * 2,
        label=["a"] * 3 + ["b"] * 3,
        pinned=[True, True] + [False] * 4,
        hard=[True, False] * 3,
        year=[2020, 2021, 2020, 2020, 2020, 2020],
    ) == {
        "rows": 6,
        "classes": ["a", "b"],
        "n_queries": 4,
        "n_gallery": 4,
        "slices": {"hard": {"false": 3, "true": 3}, "year": {"2020": 5, "2021": 1}},
        "pinned": 2,
        "input": {"dtype": "float32", "shape": [4]},
        "has_identity": False,
        "has_severity": False,
    }


def test_what_was_not_given_is_absent(tmp_path):
    kept = canonical(tmp_path, task="classification", input=None, role=None)

    assert kept.inputs is None
    assert kept.identities is None
    assert not kept.pinned.any()
    assert not kept.is_query.any()
    assert not kept.is_gallery.any()
    assert summary(tmp_path, task="classification", input=None, role=None)["input"] is None


def test_the_same_upload_makes_the_same_bytes(tmp_path):
    digests = set()
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        canonical(folder, hard=[True] * 6)
        digests.add(hashlib.sha256((folder / "set.npz").read_bytes()).hexdigest())

    assert len(digests) == 1


def test_integer_labels_are_names_sorted_as_text(tmp_path):
    kept = canonical(tmp_path, label=[10, 9, 10, 9, 10, 9])

    assert kept.classes.tolist() == ["10", "9"]
    assert kept.labels.tolist() == [0, 1, 0, 1, 0, 1]


@KINDS
@pytest.mark.parametrize("name", ["id", "label", "role"])
def test_a_missing_column_is_named(tmp_path, write, name):
    refused = refusal(tmp_path, write, **{name: None})

    assert refused.code == "missing_column"
    assert repr(name) in refused.detail


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"label": ["a", "b", None, "a", "b", "c"]}, "missing_label", "row 2"),
        ({"label": ["a", "b", "a", "", "b", "c"]}, "missing_label", "row 3"),
        ({"label": [0.5] * 6}, "unsupported_dtype", "label"),
        ({"id": ["a", None, "c", "d", "e", "f"]}, "missing_value", "row 1"),
        ({"role": ["both"] * 5 + ["probe"]}, "unknown_role", "row 5"),
        ({"role": ["both"] * 5 + [None]}, "unknown_role", "row 5"),
        ({"identity": ["a"] * 5 + [None]}, "missing_value", "row 5"),
        ({"pinned": ["yes"] * 6}, "unsupported_dtype", "pinned"),
        ({"pinned": [True] * 5 + [None]}, "missing_value", "row 5"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(tmp_path, changes, code, words):
    refused = refusal(tmp_path, parquet, **changes)

    assert refused.code == code
    assert words in refused.detail


@pytest.mark.parametrize(
    ("labels", "roles"),
    [
        (list("abcdef"), ["both"] * 6),
        (list("aabbcc"), ["query"] * 6),
        (list("aabbcc"), ["gallery"] * 6),
        (list("abcabc"), ["query"] * 3 + ["query"] * 3),
        (list("aabbcc"), ["gallery", "gallery", "query", "query", "query", "query"]),
    ],
)
def test_a_set_in_which_no_query_has_anything_to_find_is_refused(tmp_path, labels, roles):
    assert refusal(tmp_path, label=labels, role=roles).code == "no_relevant_item"


@pytest.mark.parametrize(
    ("labels", "roles"),
    [
        (list("abcdea"), ["both"] * 6),
        (list("abcdea"), ["query"] * 5 + ["gallery"]),
        (list("abcdea"), ["gallery"] * 5 + ["both"]),
    ],
)
def test_one_query_with_one_other_item_is_enough(tmp_path, labels, roles):
    assert summary(tmp_path, label=labels, role=roles)["rows"] == 6


def test_too_many_labels_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(inspect_set, "MAX_CLASSES", 2)

    assert refusal(tmp_path).code == "too_many_classes"


def test_a_column_of_many_values_or_of_fractions_is_no_slice(tmp_path):
    kept = canonical(
        tmp_path,
        parquet,
        rows=60,
        many=[str(row) for row in range(60)],
        fifty=[row % 50 for row in range(60)],
        score=[0.5] * 60,
        fifty_and_none=[str(row % 50) if row < 55 else "" for row in range(60)],
        empty=[""] * 60,
    )

    assert set(kept.slices) == {"fifty", "fifty_and_none"}


def test_rows_without_a_value_belong_to_no_slice(tmp_path):
    light = ["day", None, "day", "", None, "night"]

    assert summary(tmp_path, parquet, light=light)["slices"] == {"light": {"day": 2, "night": 1}}
    assert canonical(tmp_path, parquet, light=light).slices["light"].tolist() == [
        "day", "", "day", "", "", "night",
    ]  # fmt: skip


def test_too_many_slices_are_refused(tmp_path):
    slices = {f"s{number}": ["a"] * 6 for number in range(inspect_set.MAX_SLICES + 1)}

    assert refusal(tmp_path, **slices).code == "too_many_slices"


@pytest.mark.parametrize("name", ["class", "a&b", "a=b"])
def test_a_slice_whose_name_could_mean_another_is_refused(tmp_path, name):
    found = refusal(tmp_path, **{name: ["x"] * 6})

    assert (found.code, name in found.detail) == ("column_name", True)


def test_a_column_of_that_name_which_is_no_slice_is_left_alone(tmp_path):
    assert canonical(tmp_path, parquet, **{"a=b": [0.5] * 6}).slices == {}


@KINDS
def test_severities_are_kept_beside_the_slices(tmp_path, write):
    severity = np.array([1, 0, 2.5, 1, 1, 100], np.float32)

    kept = canonical(tmp_path, write, severity=severity)

    assert kept.severities.tolist() == severity.tolist()
    assert kept.slices == {}
    assert summary(tmp_path, write, severity=severity)["has_severity"] is True


def test_whole_numbers_are_severities_too(tmp_path):
    assert canonical(tmp_path, parquet, severity=[3] * 6).severities.tolist() == [3.0] * 6


@KINDS
@pytest.mark.parametrize("bad", [-0.5, np.nan, np.inf])
def test_a_severity_that_is_no_weight_is_refused(tmp_path, write, bad):
    severity = np.array([1, 1, bad, 1, 1, 1], np.float32)

    found = refusal(tmp_path, write, severity=severity)

    assert (found.code, "row 2" in found.detail) == ("bad_severity", True)


def test_severities_of_several_numbers_or_of_words_are_refused(tmp_path):
    assert refusal(tmp_path, severity=np.ones((6, 2), np.float32)).code == "bad_severity"
    assert refusal(tmp_path, parquet, severity=["high"] * 6).code == "unsupported_dtype"
    assert refusal(tmp_path, parquet, severity=[1.0, None] * 3).code == "missing_value"


@pytest.mark.process
def test_the_job_runs_in_a_child(tmp_path):
    parquet(tmp_path, columns())
    job = {"artifact": "upload", "task": "embedding"}

    result = run_child("workers.artifacts.inspect_set", job, folder=tmp_path, limits=LIMITS)

    assert result["rows"] == 6
    assert CanonicalSet.read(tmp_path / "set.npz").ids.tolist() == columns()["id"]


@pytest.mark.process
@KINDS
def test_a_damaged_upload_costs_at_most_its_own_child(tmp_path, write):
    """Pyarrow ends the process on some damaged files; the next job must not notice."""
    write(tmp_path, columns(hard=[True, False] * 3))
    reached = []
    crashes = 0
    first, last = 0, 150
    while first < last:
        job = {"first": first, "last": last}
        try:
            run_child(
                "tests.workers.artifacts.jobs.read_damaged",
                job,
                folder=tmp_path,
                limits=LIMITS,
                on_progress=lambda done, total: reached.append(done),
            )
            first = last
        except PermanentError as exc:
            assert exc.code in ("child_crashed", "out_of_memory")  # noqa: PT017
            assert write is parquet
            crashes += 1
            first = reached[-1] + 1

    assert crashes < 20
