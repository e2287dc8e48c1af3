"""What would be right after an error: for every code that the documents promise of a table."""

import re

import pytest

from registry.web.remedies import REMEDIES, remedy
from tests.processes import ROOT

ABOUT_INPUTS = {"not_an_image", "two_inputs", "text_not_supported", "not_finite"}
"""Codes of tables with inputs; outputs have none."""

FORMATS = (ROOT / "docs" / "formats.md").read_text()


def promised(kind: str) -> set[str]:
    (row,) = re.findall(rf"^\| {kind} \|(.*)\|$", FORMATS, re.MULTILINE)
    return set(re.findall(r"`(\w+)`", row))


@pytest.mark.parametrize("code", sorted(promised("a table") | promised("a recording")))
def test_every_refusal_of_recorded_outputs_says_what_would_be_right(code):
    assert bool(remedy(code)) == (code not in ABOUT_INPUTS)


def test_what_nobody_foresaw_has_no_advice():
    assert remedy("unheard_of") == ""


def test_advice_is_a_sentence():
    assert all(text[0].isupper() and text[-1] in ".?" for text in REMEDIES.values())
