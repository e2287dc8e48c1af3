"""The pipelines under ``docs/ci``: parsed as their systems do, down to every command line."""

import re
import shlex
import subprocess

import pytest
import yaml
from graceful.commands import app
from typer.main import get_command

from tests.processes import ROOT

FOLDER = ROOT / "docs" / "ci"
COMMAND = re.compile(r"\bgraceful (?:push|gate|show|promote)\b[^)>;|&\n]*")
VALUES = {
    "MODEL": "digits",
    "ALIAS": "production",
    "CANDIDATE": "3",
    "candidate": "3",
    "FILE": "net.onnx",
    "MANIFEST": "manifest.json",
}
GITHUB_KEYS = {
    "workflow": {"name", "on", "permissions", "env", "jobs"},
    "job": {"runs-on", "env", "outputs", "steps", "needs", "environment", "concurrency"},
    "step": {"name", "id", "if", "uses", "with", "run", "env"},
}


def github():
    return yaml.safe_load((FOLDER / "github-actions.yml").read_text())


def gitlab():
    return yaml.safe_load((FOLDER / "gitlab-ci.yml").read_text())


def jenkins():
    return (FOLDER / "Jenkinsfile").read_text()


def scripts():
    """Yield every piece of shell in the three files, with its place."""
    for job, body in github()["jobs"].items():
        for step in body["steps"]:
            if "run" in step:
                yield f"github {job}: {step['name']}", step["run"]
    for job, body in gitlab().items():
        if isinstance(body, dict):
            for part in ("before_script", "script", "after_script"):
                if part in body:
                    yield f"gitlab {job}: {part}", "\n".join(body[part])
    for number, script in enumerate(re.findall(r"sh '''(.*?)'''", jenkins(), re.DOTALL)):
        yield f"jenkins {number}", script


def commands():
    for place, script in scripts():
        for found in COMMAND.findall(script.replace("$(cat candidate)", "$CANDIDATE")):
            yield place, found


SCRIPTS, COMMANDS = list(scripts()), list(commands())


@pytest.mark.parametrize(("place", "script"), SCRIPTS, ids=[place for place, _ in SCRIPTS])
def test_the_shell_in_it_is_shell(place, script):
    done = subprocess.run(["/bin/sh", "-n"], input=script, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_each_system_pushes_asks_reports_and_promotes():
    for system in ("github", "gitlab", "jenkins"):
        words = {found.split()[1] for place, found in COMMANDS if place.startswith(system)}
        assert words == {"push", "gate", "show", "promote"}


@pytest.mark.parametrize(("place", "found"), COMMANDS, ids=[f"{p}: {c[:20]}" for p, c in COMMANDS])
def test_every_command_line_is_one_that_the_client_takes(place, found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("net.onnx", "manifest.json"):
        (tmp_path / name).write_text("{}")
    filled = re.sub(r"\$(\w+)", lambda m: VALUES.get(m[1], m[1]), found)
    _, name, *arguments = shlex.split(filled)

    command = get_command(app).commands[name]
    with command.make_context(name, arguments) as context:
        given = context.params

    assert given.get("alias", "digits@production") in {"digits@production", "production"}
    assert given.get("candidate", 3) == 3
    assert given.get("wait", name == "gate") is (name == "gate")


def test_github_is_a_workflow_whose_every_step_does_one_thing():
    workflow = github()
    workflow["on"] = workflow.pop(True)  # YAML 1.1 reads the key as a truth value, GitHub does not.

    assert set(workflow) <= GITHUB_KEYS["workflow"]
    for job in workflow["jobs"].values():
        assert set(job) <= GITHUB_KEYS["job"]
        assert set(job.get("needs", "").split()) <= set(workflow["jobs"])
        for step in job["steps"]:
            assert set(step) <= GITHUB_KEYS["step"]
            assert ("run" in step) != ("uses" in step)
            assert re.fullmatch(r"[\w./-]+@v\d+", step.get("uses", "a/b@v1"))


def test_no_expression_of_github_is_written_into_shell():
    """What a caller gives to a run must come by the environment, where it stays a value."""
    assert not [place for place, script in SCRIPTS if "${{" in script]


def test_only_the_promoting_job_can_promote():
    jobs = github()["jobs"]

    assert "PROMOTE" in jobs["promote"]["env"]["GRACEFUL_TOKEN"]
    assert "PROMOTE" not in str(jobs["gate"])
    assert jobs["promote"]["environment"] == gitlab()["promote"]["environment"] == "production"
    assert jobs["promote"]["needs"] == "gate"
    assert gitlab()["promote"]["rules"][0]["when"] == "manual"
    promote = jenkins().partition("stage('Promote')")[2]
    assert "graceful-promote-token" in promote
    assert "input {" in promote


def test_gitlab_has_stages_that_its_jobs_name_and_reports_that_they_write():
    pipeline = gitlab()
    jobs = {name: pipeline[name] for name in pipeline["stages"]}

    assert set(pipeline) == {"stages", "variables", "default", *jobs}
    assert [job["stage"] for job in jobs.values()] == pipeline["stages"]
    for written in pipeline["gate"]["artifacts"]["reports"].values():
        assert f"> {written}" in "\n".join(pipeline["gate"]["script"])


def test_jenkins_has_balanced_blocks_and_stages_with_steps():
    text = re.sub(r"'''.*?'''", "''", jenkins(), flags=re.DOTALL)
    text = re.sub(r'//[^\n]*|"[^"\n]*"|\'[^\'\n]*\'', "", text)
    depth = []
    pairs = {")": "(", "}": "{", "]": "["}
    for character in text:
        if character in pairs.values():
            depth.append(character)
        elif character in pairs:
            assert depth.pop() == pairs[character]

    assert depth == []
    assert re.search(r"^pipeline \{\n    agent any", text, re.MULTILINE)
    assert len(re.findall(r"stage\(\)", text)) == len(re.findall(r"\bsteps \{", text)) == 3


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml", "Jenkinsfile"])
def test_no_secret_and_no_address_of_ours_is_in_it(name):
    text = (FOLDER / name).read_text()

    assert "grt_" not in text
    assert set(re.findall(r"https?://([\w.-]+)", text)) <= {"git.example"}
