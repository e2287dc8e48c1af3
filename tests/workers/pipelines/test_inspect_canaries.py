"""What the owner of an index may hand in as canaries, and what is refused with which code."""

import numpy as np
import pytest

from tests.builders import canaries, toy
from workers.errors import PermanentError
from workers.pipelines.inspect_canaries import main

ONES = np.ones((8, 12), np.float32)


def inspected(folder, upload, *, distance="cosine", most=50):
    manifest = toy.encoder("old")[1]
    manifest["output"]["distance"] = distance
    (folder / "table").write_bytes(upload)
    job = {"table": "table", "manifest": manifest, "most": most}
    return main(job, folder, lambda done, total: None)


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"vector": np.ones((8, 3), np.float32)}, "output_shape"),
        ({"vector": np.ones((8, 12, 1), np.float32)}, "output_shape"),
        ({"vector": 0 * ONES}, "zero_embedding"),
        ({"vector": np.nan * ONES}, "not_finite"),
        ({"vector": ONES.astype(np.uint8)}, "unsupported_dtype"),
        ({"vector": ONES.astype(np.float64)}, "unsupported_dtype"),
        ({"input": np.ones((8, 5), np.float32)}, "input_shape"),
        ({"id": np.array(["same"] * 8)}, "duplicate_id"),
    ],
)
def test_what_cannot_be_embedded_or_compared_is_refused(tmp_path, columns, code):
    with pytest.raises(PermanentError) as refused:
        inspected(tmp_path, canaries.an_upload(**columns))

    assert refused.value.code == code


@pytest.mark.parametrize("missing", ["id", "input", "vector"])
def test_a_table_without_a_column_is_refused(tmp_path, missing):
    inputs = toy.samples(8, 7)[0]
    columns = {"id": toy.ids(8), "input": inputs, "vector": ONES}
    del columns[missing]

    with pytest.raises(PermanentError) as refused:
        inspected(tmp_path, toy.npz(**columns))

    assert refused.value.code == "missing_column"


def test_as_many_are_taken_as_are_allowed_and_no_more(tmp_path):
    assert inspected(tmp_path, canaries.an_upload(rows=5), most=5) == {"rows": 5}
    with pytest.raises(PermanentError) as refused:
        inspected(tmp_path, canaries.an_upload(rows=6), most=5)
    assert refused.value.code == "too_large"


def test_the_zero_vector_is_one_like_others_where_lengths_count(tmp_path):
    found = inspected(tmp_path, canaries.an_upload(vector=0 * ONES), distance="euclidean")

    assert found == {"rows": 8}
