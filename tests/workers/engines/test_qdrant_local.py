"""What Qdrant's local mode cannot do is said, not met by surprise."""

import pytest

from tests.builders.engines import SPACE, collection, f32, ids
from workers.engines.engine import Engine
from workers.engines.protocol import EngineUnavailableError
from workers.engines.qdrant_local import QdrantLocalAdapter


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # the refused client's lock
def test_a_folder_that_is_open_elsewhere_is_told_and_free_again_once_closed(tmp_path):
    first, second = (Engine(QdrantLocalAdapter(tmp_path)) for _ in range(2))
    first.create(collection("g1-s1"))
    first.upsert("g1-s1", ids(0), f32([[1, 0]]), space=SPACE)

    with pytest.raises(EngineUnavailableError, match="already accessed"):
        second.count("g1-s1")
    first.close()

    assert second.count("g1-s1") == 1
    second.close()


def test_its_label_says_that_no_server_was_run():
    assert "no server was run" in QdrantLocalAdapter.label
