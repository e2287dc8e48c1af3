"""Comparing classifiers costs no import of torch."""

import subprocess
import sys


def test_the_pipeline_loads_torch_for_encoders_only():
    code = "import sys, workers.pipelines.compare; print('torch' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
