"""The front-end files are the ones that were fetched, and ask for nothing from elsewhere."""

import hashlib

import pytest

from tests.processes import ROOT

FOLDER = ROOT / "registry" / "web" / "static" / "vendor"
RECORDED = dict(
    reversed(line.split("  ")) for line in (FOLDER / "SHA256SUMS").read_text().splitlines()
)


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_a_vendored_file_has_its_recorded_digest(name):
    assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == RECORDED[name]


def test_no_vendored_file_is_unrecorded():
    assert {path.name for path in FOLDER.iterdir()} == {*RECORDED, "SHA256SUMS"}


def test_every_library_comes_with_its_licence():
    libraries = {name.partition(".")[0] for name in RECORDED}
    assert {f"{library}.LICENSE" for library in libraries} <= set(RECORDED)


def test_no_vendored_file_names_a_source_map_that_is_not_served():
    for name in RECORDED:
        assert b"sourceMappingURL" not in (FOLDER / name).read_bytes(), name
