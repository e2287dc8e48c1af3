"""What reads a gallery from outside finds there: encoders, segments, calibrations."""

import hashlib

import pytest

from compat.calibration import Calibration
from registry.galleries.services.cutover import OwnQuery, cut_over
from tests.builders import registry as make


@pytest.fixture
def gallery(db):
    return make.a_gallery(name="faces", items=2)


def test_a_reader_learns_all_it_needs_to_make_queries(api, gallery):
    encoder = gallery.live_view.encoder

    live = api.get("galleries/faces/live").json()

    [found] = live["encoders"]
    assert found == {
        "version": str(encoder),
        "digest": encoder.digest,
        "artifact": encoder.artifact_id,
        "download": f"/api/v1/models/{encoder.model.name}/versions/{encoder.number}/artifact",
        "dimension": make.DIMENSION,
        "distance": "cosine",
        "normalisation": encoder.manifest["output"]["normalisation"],
    }
    artifact = api.get(found["download"].removeprefix("/api/v1/"))
    assert hashlib.sha256(b"".join(artifact.streaming_content)).hexdigest() == found["artifact"]
    [segment] = live["segments"]
    assert (segment["segment"], segment["producer"]) == (1, str(encoder))
    assert (segment["encoder"], segment["evidence"]) == (str(encoder), "self")
    assert segment["calibration"] is None


def test_a_reader_learns_which_version_queries_what_and_how_scores_are_merged(api, gallery):
    first, second = gallery.live_view.encoder, make.a_version(gallery.alias.model)
    own = OwnQuery("comparison:1", Calibration(0.1, 0.2, 500), Calibration(0.3, 0.4, 600))

    cut_over(gallery=gallery, encoder=second, evidence={}, alias_epoch=2, dual={first.pk: own})

    live = api.get("galleries/faces/live").json()
    assert [one["version"] for one in live["encoders"]] == [str(second), str(first)]
    old, new = live["segments"]
    assert (old["encoder"], old["evidence"]) == (str(first), "comparison:1")
    assert old["calibration"] == {"mean": 0.1, "spread": 0.2, "pairs": 500}
    assert (new["encoder"], new["calibration"]["mean"]) == (str(second), 0.3)


def test_the_etags_of_two_galleries_differ(api, gallery):
    make.a_gallery(gallery.alias, "animals")

    etags = {api.get(f"galleries/{name}/live").headers["ETag"] for name in ("faces", "animals")}

    assert len(etags) == 2
    assert all(etag.startswith('"') for etag in etags)
