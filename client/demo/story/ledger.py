"""The end of the story: the ledger is exported and verified offline."""

import subprocess
import sys
import tempfile
from pathlib import Path

from client.demo.story.api import Api
from client.demo.story.report import Report
from client.demo.story.server import ROOT

VERIFIER = ROOT / "registry" / "audit" / "chain.py"


def tell(api: Api, report: Report) -> None:
    """Step 5 of the demo."""
    report.title("5. The ledger")
    head = api.get("ledger/verify")
    report.check(head["verified"] is True, "the server verifies %d entries", head["seq"])
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder) / "ledger.jsonl"
        export.write_text(api.text("ledger/export"), encoding="utf-8")
        command = [sys.executable, "-I", str(VERIFIER), str(export)]
        command += ["--head", f"{head['seq']}:{head['hash']}"]
        done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
    report.check(done.returncode == 0, "an auditor verifies the export: %s", done.stdout.strip())
