"""``graceful check``: outputs without a version; the exit code is the answer, in every format."""

import json
import threading
from contextlib import contextmanager
from xml.etree import ElementTree

import httpx
import pytest
from django.db import connection
from graceful.formats import Format

from compat.verdict import Outcome
from registry.catalog.models import ModelVersion
from registry.upgrades.models import Check, Upgrade
from registry.upgrades.services import checks
from tests.builders import registry as make

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]

CODES = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.INCONCLUSIVE: 3}
ALIAS = "digits@production"


@pytest.fixture
def alias(registry):
    """``digits@production`` names a version and is judged on ``held-out:1``."""
    alias = make.an_alias(make.a_model("digits"))
    make.a_pin(alias, make.a_set_revision("held-out"))
    make.a_promoted_upgrade(alias)
    return alias


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "outputs.npz"
    path.write_bytes(make.table_bytes())
    return path


def check(run, file, *options, alias=ALIAS, on="held-out:1"):
    return run("check", alias, file, "--set", on, "--timeout", 30, *options)


def finish(outcome=None, code="ids_missing", detail="3 ids of the set, such as 'm-5'"):
    """Do what the workers do with every check that is queued."""
    for pk in Check.objects.filter(work_state="queued").values_list("pk", flat=True):
        make.compute_outputs()
        job = checks.claim(check_id=pk)
        if outcome is None:
            checks.fail(job=job, code=code, detail=detail)
        else:
            result = make.a_comparison_result(job.task, outcome=outcome)
            checks.record(job=job, result=result, standing={})


@contextmanager
def workers(outcome=None, **error):
    """Finish checks while the block runs."""
    over = threading.Event()

    def work():
        try:
            while not over.wait(0.05):
                finish(outcome, **error)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("outcome", list(CODES))
def test_the_exit_code_is_the_outcome_in_every_format(run, alias, file, outcome):
    before = (ModelVersion.objects.count(), Upgrade.objects.count())

    with workers(outcome):
        results = {form: check(run, file, "--format", form) for form in Format}

    assert {result.exit_code for result in results.values()} == {CODES[outcome]}
    assert all(outcome.value in result.stdout for result in results.values())
    ElementTree.fromstring(results[Format.JUNIT].stdout)
    found = json.loads(results[Format.JSON].stdout)
    assert found["exit_code"] == CODES[outcome]
    assert (found["candidate"], found["incumbent"]) == ("outputs.npz", "digits:1")
    assert {line["judged_on"] for line in found["lines"]} == {"held-out:1"}
    assert json.loads(results[Format.SARIF].stdout)["version"] == "2.1.0"
    assert (ModelVersion.objects.count(), Upgrade.objects.count()) == before


def test_outputs_that_cannot_be_judged_are_errored_in_every_format(run, alias, file):
    with workers():
        results = {form: check(run, file, "--format", form) for form in Format}

    assert {result.exit_code for result in results.values()} == {6}
    texts = [result.stdout.replace("\\", "") for result in results.values()]
    assert all("ids_missing" in text for text in texts)
    root = ElementTree.fromstring(results[Format.JUNIT].stdout)
    assert (root.get("failures"), root.get("errors")) == ("0", "1")


def test_progress_goes_to_stderr_and_data_to_stdout(run, alias, file):
    with workers(Outcome.PASSED):
        result = check(run, file)

    number = Check.objects.get().pk
    assert f"check {number}: done" in result.stderr
    assert "sending" in result.stderr
    assert "sending" not in result.stdout
    assert result.stdout.startswith("outputs.npz for digits@production against digits:1 is passed")
    assert f"/api/v1/compatibility/{number}" in result.stdout


@pytest.mark.parametrize("form", list(Format))
def test_what_is_not_waited_for_or_not_done_in_time_is_pending(run, alias, file, form):
    late = check(run, file, "--timeout", "0.6", "--format", form)
    unwaited = check(run, file, "--no-wait", "--format", form)

    assert (late.exit_code, unwaited.exit_code) == (4, 4)
    assert "timed_out: " in late.stderr
    assert "timed_out" not in unwaited.stderr
    assert "pending" in late.stdout
    assert "pending" in unwaited.stdout


def test_the_same_file_is_judged_anew_each_time(run, alias, file):
    with workers(Outcome.PASSED):
        first = check(run, file)
    with workers(Outcome.FAILED):
        second = check(run, file, "--wait")

    assert (first.exit_code, second.exit_code) == (0, 1)
    assert Check.objects.count() == 2


def test_an_answer_that_was_lost_is_one_check(registry, alias, file, monkeypatch):
    request, lost = registry.transport._http.request, []

    def lose_the_first_answer(method, path, **given):
        response = request(method, path, **given)
        if path == "compatibility" and not lost:
            lost.append(response)
            raise httpx.ReadError("connection reset")
        return response

    monkeypatch.setattr(registry.transport._http, "request", lose_the_first_answer)
    monkeypatch.setattr(registry.transport, "_sleep", lambda _: None)

    queued = registry.request_check("digits", "production", file, "held-out:1")

    assert lost[0].status_code == 202
    assert queued["id"] == Check.objects.get().pk
    assert registry.check(queued["id"])["work_state"] == "queued"


def test_a_manifest_says_how_to_read_the_file(run, alias, file, tmp_path):
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps(make.a_manifest(recorded=True)))

    result = check(run, file, "--manifest", manifest, "--no-wait")

    assert result.exit_code == 4, result.stderr
    assert Check.objects.get().manifest == json.loads(manifest.read_text())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"schema": 1,\n  oops}', "not_json"),
        ("null", "invalid_manifest"),
        ("[1]", "invalid_manifest"),
        ('{"output": {"kind": "nothing"}}', "invalid_manifest"),
        (json.dumps(make.a_manifest()), "task_mismatch"),
        (json.dumps(make.a_manifest("embedding", recorded=True)), "task_mismatch"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_wrong_usage(run, alias, file, tmp_path, text, code):
    manifest = tmp_path / "manifest.json"
    manifest.write_text(text)

    result = check(run, file, "--manifest", manifest)

    assert result.exit_code == 2
    assert f"{code}: " in result.stderr
    assert not Check.objects.exists()


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize(
    ("content", "code"), [(b"", "empty_upload"), (b"\x80\x04" * 20, "wrong_file_type")]
)
def test_a_wrong_file_is_wrong_usage_in_every_format(run, alias, file, content, code, form):
    file.write_bytes(content)

    result = check(run, file, "--format", form)

    assert result.exit_code == 2
    assert f"{code}: " in result.stderr
    assert result.stdout == ""
    assert not Check.objects.exists()


@pytest.mark.parametrize("form", list(Format))
def test_a_set_that_does_not_judge_the_alias_is_wrong_usage(run, alias, file, form):
    make.a_set_revision("another")

    result = check(run, file, "--format", form, on="another:1")

    assert result.exit_code == 2
    assert "set_not_pinned: " in result.stderr
    assert result.stdout == ""
    assert not Check.objects.exists()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"on": "held-out"}, "usage"),
        ({"on": "held-out:9"}, "unknown_evaluation_set"),
        ({"on": "nothing:1"}, "unknown_evaluation_set"),
        ({"alias": "digits"}, "usage"),
        ({"alias": "digits@staging"}, "unknown_alias"),
        ({"alias": "faces@production"}, "unknown_alias"),
    ],
)
def test_what_is_not_there_is_wrong_usage(run, alias, file, options, code):
    result = check(run, file, **options)

    assert result.exit_code == 2
    assert f"{code}: " in result.stderr
    assert not Check.objects.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [ALIAS],
        [ALIAS, "nowhere.npz", "--set", "held-out:1"],
        [ALIAS, "outputs.npz"],
        [ALIAS, "outputs.npz", "--set", "held-out:1", "--manifest", "nowhere.json"],
        [ALIAS, "outputs.npz", "--set", "held-out:1", "--timeout", "-1"],
        [ALIAS, "outputs.npz", "--set", "held-out:1", "--format", "xml"],
    ],
)
def test_a_command_line_that_makes_no_sense_is_wrong_usage(
    run, registry, file, monkeypatch, arguments
):
    monkeypatch.chdir(file.parent)

    assert run("check", *arguments).exit_code == 2


def test_an_alias_that_names_nothing_needs_a_manifest(run, registry, file, tmp_path):
    make.a_pin(make.an_alias(make.a_model("digits")), make.a_set_revision("held-out"))
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps(make.a_manifest(recorded=True)))

    refused = check(run, file)
    taken = check(run, file, "--manifest", manifest, "--no-wait")

    assert refused.exit_code == 1
    assert "alias_empty: " in refused.stderr
    assert taken.exit_code == 4
    assert taken.stdout.startswith("outputs.npz for digits@production is pending")


def test_a_token_that_may_not_write_checks_nothing(run, alias, file, monkeypatch):
    monkeypatch.setenv("GRACEFUL_TOKEN", make.a_token(scopes=["read"])[1])

    result = check(run, file)

    assert result.exit_code == 2
    assert "missing_scope: " in result.stderr


def test_a_registry_that_is_not_there_is_unreachable(run, file, monkeypatch):
    monkeypatch.setenv("GRACEFUL_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("GRACEFUL_TOKEN", "grt_a_b")
    monkeypatch.setattr("graceful.transport.FIRST_DELAY_S", 0.0)

    assert check(run, file).exit_code == 5
