"""Numbers are taken the way pages write them."""

import pytest
from django import forms

from registry.web.number_fields import WholeNumberField


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("12500", 12_500), ("12,500", 12_500), (" 1,234,567 ", 1_234_567), ("-1,000", -1_000)],
)
def test_separators_are_taken_as_pages_write_them(typed, meant):
    assert WholeNumberField().clean(typed) == meant


@pytest.mark.parametrize("typed", ["1,2", "12,50", "1234,567", ",500", "1,000,", "1,5.0", "many"])
def test_what_could_mean_another_number_is_refused(typed):
    with pytest.raises(forms.ValidationError, match="whole number"):
        WholeNumberField().clean(typed)


def test_a_phone_shows_its_digits():
    assert WholeNumberField().widget.attrs["inputmode"] == "numeric"
