"""The demo talks to the registry as any client would, and its story comes out."""

import subprocess
import sys

import pytest

from tests.processes import ROOT

IMPORTS = """
import sys
import client.demo.story.main
print(sorted(name.partition('.')[0] for name in sys.modules))
"""


def test_the_story_imports_no_model_of_the_database():
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert "'client'" in done.stdout
    for name in ("django", "registry", "workers", "celery"):
        assert f"'{name}'" not in done.stdout


@pytest.mark.process
def test_the_whole_story_comes_out_twice_on_one_installation(embedded, tmp_path):
    command = [sys.executable, "-m", "client.demo", "--no-serve", "--folder", str(tmp_path)]

    for _ in range(2):
        done = subprocess.run(
            command, cwd=ROOT, env=embedded.environment, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, done.stdout + done.stderr[-3000:]

    assert "Every step came out as it must" in done.stdout
    counted = embedded.manage("shell", "--no-imports", "-c", COUNTS)
    assert counted.split() == ["6", "2", "997"]


COUNTS = """
from registry.catalog.models import ModelVersion
from registry.evaluation.models import SetRevision
from registry.galleries.models import Item
print(ModelVersion.objects.count(), SetRevision.objects.count(), Item.objects.count())
"""
