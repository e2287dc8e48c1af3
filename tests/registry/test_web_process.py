"""The web process stays light: it never loads what opens or computes an upload."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("faiss", "numpy", "onnx", "onnxruntime", "PIL", "pyarrow", "scipy", "sklearn", "torch")

SCRIPT = """
import json, sys
import registry.wsgi
from django.core.management import call_command
call_command("migrate", verbosity=0, interactive=False)
from django.test import Client
from registry.accounts.services.accounts import open_account
user, _ = open_account(name="ann", administrator=True)
client = Client()
client.force_login(user)
answers = {path: client.get(path).status_code for path in sys.argv[1:]}
print(json.dumps([answers, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def in_a_web_process(folder, *paths, **variables):
    environment = variables | {
        "PATH": os.environ["PATH"],
        "REGISTRY_DATA_DIR": str(folder),
        "ALLOWED_HOSTS": "testserver",
    }
    command = [sys.executable, "-c", SCRIPT, *paths]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_no_page_and_no_endpoint_loads_a_tensor_library_or_a_parser_of_uploads(tmp_path):
    paths = ["/", "/models/", "/upgrades/", "/galleries/", "/ledger/", "/api/v1/schema"]

    answers, loaded = in_a_web_process(tmp_path, *paths)

    assert not set(HEAVY) & set(loaded)
    assert set(answers.values()) <= {200, 401}, answers


def test_it_stays_light_and_needs_no_vectors_where_an_engine_is_set_up(tmp_path):
    nowhere = "postgres://me@/vectors?host=/nowhere"

    answers, loaded = in_a_web_process(tmp_path, "/galleries/", VECTORS_URL=nowhere)

    assert not set(HEAVY) & set(loaded)
    assert answers == {"/galleries/": 200}
