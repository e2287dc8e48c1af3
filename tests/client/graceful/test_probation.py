"""The probation of a gallery from the command line against the live server."""

import json

import pytest

from registry.galleries.models import Gallery
from tests.builders import backfills as build

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]


def test_it_is_shown_and_set(run, registry):
    build.a_gallery("shelf")

    shown = run("probation", "shelf")
    assert shown.exit_code == 0, shown.stderr
    assert "168" in shown.stdout
    changed = run("probation", "shelf", "--hours", "24", "--format", "json")

    assert changed.exit_code == 0, changed.stderr
    assert json.loads(changed.stdout)["hours"] == 24
    assert Gallery.objects.get().probation_hours == 24
