"""A release from the command line, against a real installation with a real worker."""

import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from tests.builders import toy
from tests.installations import open_line, start_worker, web
from tests.processes import ROOT

pytestmark = pytest.mark.process


def test_push_gate_promote_and_roll_back(processes, embedded, tmp_path):
    account = json.loads(embedded.manage("open_account", "bob", "--token-days", "1", "--json"))
    environment = embedded.environment | {
        "GRACEFUL_URL": embedded.url,
        "GRACEFUL_TOKEN": account["token"],
        "PYTHONPATH": str(ROOT / "client"),
    }

    def graceful(*arguments):
        command = [sys.executable, "-m", "graceful", *map(str, arguments)]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180
        )

    def push(kind, *options):
        graph, manifest = toy.encoder(kind)
        (tmp_path / f"{kind}.onnx").write_bytes(graph)
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        return graceful("push", "line", f"{kind}.onnx", "--manifest", "manifest.json", *options)

    with web(processes, embedded) as api:
        start_worker(processes, embedded)
        open_line(api, tmp_path, toy.an_evaluation_set())

        first = push("old", "--wait")
        assert first.returncode == 0, first.stdout + first.stderr
        assert "line:1 for line@production is passed" in first.stdout
        assert "outputs of line:1 on judged:1: done" in first.stderr
        promoted = graceful("promote", "line@production", "--candidate", 1)
        assert promoted.returncode == 0, promoted.stderr

        independent = push("independent", "--wait", "--parent", "retrained_from=line:1")
        assert independent.returncode == 1, independent.stdout + independent.stderr
        assert graceful("promote", "line@production", "--candidate", 2).returncode == 1

        assert push("compatible", "--print-number").stdout == "3\n"
        gate = graceful(
            "gate", "line@production", "--candidate", 3, "--wait", "--timeout", 120,
            "--format", "junit",
        )  # fmt: skip
        assert gate.returncode == 0, gate.stdout + gate.stderr
        assert ElementTree.fromstring(gate.stdout).get("failures") == "0"
        assert graceful("promote", "line@production", "--candidate", 3).returncode == 0
        compared = json.loads(graceful("diff", "line:1", "line:3", "--format", "json").stdout)
        assert "map.new_old" in {m["name"] for m in compared[0]["measurements"]}

        back = graceful("rollback", "line@production", "--to", 1, "--reason", "only a test")
        assert back.returncode == 0, back.stderr
        moves = json.loads(graceful("history", "line@production", "--format", "json").stdout)
        assert [(m["kind"], m["version"]) for m in moves] == [
            ("roll_back", "line:1"),
            ("promote", "line:3"),
            ("promote", "line:1"),
        ]

        online = graceful("ledger", "verify")
        assert graceful("ledger", "export", "ledger.jsonl").returncode == 0
        head = online.stdout.rpartition(" ")[2].strip()
        offline = graceful("ledger", "verify", "ledger.jsonl", "--head", head)
        assert (online.returncode, offline.returncode) == (0, 0), offline.stderr
        assert graceful("doctor").returncode == 0
