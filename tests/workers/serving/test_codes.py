"""The codes of a search are documented, each under the status that it has."""

import re

from tests.processes import ROOT
from workers.serving.encoders import INPUT_CODES
from workers.serving.errors import BAD_REQUEST, STATUS
from workers.serving.preview import PASSED_ON

SOURCES = [*(ROOT / "workers" / "serving").glob("*.py"), ROOT / "workers/indexing/conditions.py"]
UNREACHED = {"not_normalised", "wrong_mask"}
"""Refusals of the engine that a query cannot cause: it is made comparable before."""


def documented() -> dict[str, int]:
    section = (ROOT / "docs/formats.md").read_text().partition("## Search process")[2]
    listed = section.partition("Codes:")[2].partition("## ")[0]
    codes, status = {}, 0
    for number, code in re.findall(r"\b(\d{3})\b|`(\w+)`", listed):
        if number:
            status = int(number)
        else:
            codes[code] = status
    return codes


def test_every_code_that_is_raised_is_documented_with_its_status():
    raised = set(INPUT_CODES) - UNREACHED
    for source in SOURCES:
        raised |= set(re.findall(r'(?:Search|Permanent)Error\(\s*"(\w+)"', source.read_text()))
    raised -= UNREACHED | {"row_count"}  # told in a detail only
    raised |= PASSED_ON

    expected = {code: STATUS.get(code, BAD_REQUEST) for code in raised | {"unknown_gallery"}}

    assert documented() == expected


def test_every_status_in_the_table_belongs_to_a_documented_code():
    assert set(STATUS) <= set(documented())
