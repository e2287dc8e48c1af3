"""What ``docs/client.md`` shows is what the client takes."""

import ast
import re
import shlex

import pytest
from graceful import EXIT
from graceful.commands import app
from graceful.formats import Format
from graceful.uploads import PIECE_BYTES
from typer.main import get_command

from registry.api.incoming import KEPT
from tests.processes import ROOT

TEXT = (ROOT / "docs" / "client.md").read_text()
SHOWN = re.findall(r"^(graceful [^#\n]*)", TEXT, re.MULTILINE)


@pytest.mark.parametrize("line", SHOWN)
def test_every_command_line_is_one_that_the_client_takes(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("model.onnx", "manifest.json", "card.md", "outputs.npz"):
        (tmp_path / name).write_text("{}")
    _, name, *arguments = shlex.split(line)

    command = get_command(app).commands[name]
    with command.make_context(name, arguments):
        pass


def test_every_command_is_described():
    described = set(re.findall(r"`([\w-]+)", TEXT.partition("| command |")[2].partition("\n\n")[0]))

    assert set(get_command(app).commands) <= described


def test_every_exit_code_is_described():
    table = TEXT.partition("## Exit codes")[2].partition("Only 0")[0]

    assert set(map(int, re.findall(r"^\| (\d)", table, re.MULTILINE))) == {*EXIT.values(), 2, 5}
    for standing, code in EXIT.items():
        (row,) = re.findall(rf"^\| {code} \|.*", table, re.MULTILINE)
        assert standing in row


def test_the_formats_and_figures_are_those_of_the_code():
    assert f"--format {'|'.join(Format)}" in TEXT
    assert f"pieces of {PIECE_BYTES >> 20} MiB" in TEXT
    assert KEPT.days == 1
    assert "nobody touches for a day" in TEXT


def test_the_python_in_it_is_python_that_names_what_is_there():
    import graceful

    (source,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    tree = ast.parse(source)

    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert all(hasattr(graceful, alias.name) for alias in node.names)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "registry":
            assert hasattr(graceful.Client, node.attr)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", TEXT):
        assert (ROOT / "docs" / target).exists(), target
