"""Every refusal that a child can answer with is in the documentation, and the other way round."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("workers/artifacts", "workers/runners", "workers")
PIPELINES = ("compute_outputs", "embed_batch", "encode_requests", "fit_adapter")
RAISED = re.compile(r"""(?:PermanentError\(|"code": |_mismatch\()\s*"([a-z_]+)",?""")
ELSEWHERE = {
    "missing_label": "an argument of complete",
    "missing_value": "an argument of complete",
    "outputs_not_finite": "an argument of finite",
    "two_outputs": "returned by _wrong_columns",
    "not_finite": "the default of finite",
}
NOT_IN_A_CHILD = {"not_recorded"}


def documented():
    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    table = text.split("### Codes of refusals", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("| ")]
    return {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}


def raised():
    files = [path for folder in SOURCES for path in (ROOT / folder).glob("*.py")]
    files += [ROOT / "workers" / "pipelines" / f"{name}.py" for name in PIPELINES]
    return {code for path in files for code in RAISED.findall(path.read_text(encoding="utf-8"))}


def test_the_documentation_lists_exactly_the_codes_that_are_raised():
    assert raised() | set(ELSEWHERE) == documented() | NOT_IN_A_CHILD
