"""``docs/ci/gate.sh``: uploads, waits, and exits by the verdict."""

import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from compat.verdict import Outcome
from registry.audit.models import LedgerEntry
from registry.catalog.models import ModelVersion
from registry.catalog.services import inspection
from registry.upgrades.models import Upgrade
from registry.upgrades.services.advance import advance
from registry.upgrades.services.withdraw import withdraw
from tests.builders import registry as make
from tests.builders import toy
from tests.processes import ROOT, wait_for_http

SCRIPT = ROOT / "docs" / "ci" / "gate.sh"

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def files(tmp_path) -> dict[str, str]:
    """A candidate and its manifest, with names that a careless script trips over."""
    file, manifest = tmp_path / "my net;1.onnx", tmp_path / "manifest 1.json"
    file.write_bytes(make.model_bytes())
    manifest.write_text(json.dumps(make.a_manifest()))
    return {"--model": "digits", "--file": str(file), "--manifest": str(manifest)}


@pytest.fixture
def alias(live_server):
    return make.an_alias(make.a_model("digits"))


def run(url: str, options: dict[str, str], token: str | None = None):
    """Run the script to its end with an environment of its own."""
    if token is None:
        token = make.a_token(scopes=["read", "write"])[1]
    given = {"--poll": "1", "--timeout": "30"} | options
    environment = {"PATH": os.environ["PATH"], "REGISTRY_URL": url, "REGISTRY_TOKEN": token}
    return subprocess.run(
        ["/bin/sh", str(SCRIPT), *[word for pair in given.items() for word in pair]],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def meanwhile(act: Callable[[Upgrade], object]) -> threading.Thread:
    """Act on the upgrade of the candidate as soon as the script has opened it."""

    def wait_and_act():
        try:
            while not (upgrade := Upgrade.objects.filter(candidate__state="inspecting").first()):
                threading.Event().wait(0.05)
            act(upgrade)
        finally:
            connection.close()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


def inspect_and_judge(outcome: Outcome) -> Callable[[Upgrade], object]:
    def act(upgrade: Upgrade) -> None:
        make.inspect(upgrade.candidate)
        make.judge(Upgrade.objects.get(pk=upgrade.pk), outcome=outcome)

    return act


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.PASSED, 0),
        (Outcome.FAILED, 1),
        (Outcome.INCONCLUSIVE, 3),
        (Outcome.ERRORED, 6),
    ],
)
def test_it_exits_by_the_verdict_and_names_the_rules(live_server, alias, files, outcome, code):
    make.a_promoted_upgrade(alias)
    worker = meanwhile(inspect_and_judge(outcome))

    done = run(live_server.url, files)
    worker.join()

    assert done.returncode == code, done.stderr
    assert f"its verdict: {outcome}" in done.stderr
    results = Upgrade.objects.first().verdict.results
    for result in results:
        assert f"{result['outcome']}: {result['rule']} on " in done.stderr


def test_a_candidate_that_is_refused_fails_with_the_reason(live_server, alias, files):
    def refuse(upgrade):
        job = inspection.claim(version_id=upgrade.candidate_id)
        inspection.refuse(job=job, code="invalid_graph", detail="the graph does not parse")
        advance(upgrade_id=upgrade.pk)

    worker = meanwhile(refuse)

    done = run(live_server.url, files)
    worker.join()

    assert done.returncode == 1, done.stderr
    assert "invalid_graph: the graph does not parse" in done.stderr


def test_an_upgrade_that_is_closed_has_no_verdict_to_go_by(live_server, alias, files):
    worker = meanwhile(lambda upgrade: withdraw(upgrade_id=upgrade.pk, actor=upgrade.created_by))

    done = run(live_server.url, files)
    worker.join()

    assert done.returncode == 6, done.stderr


def test_it_gives_up_when_there_is_no_verdict_in_time(live_server, alias, files):
    done = run(live_server.url, files | {"--timeout": "1"})

    assert done.returncode == 4, done.stderr


def test_run_again_it_asks_about_the_same_upgrade(live_server, alias, files):
    make.a_pin(alias)
    first = run(live_server.url, files | {"--timeout": "0"}, token := make.a_token()[1])
    inspect_and_judge(Outcome.PASSED)(Upgrade.objects.get())

    again = run(live_server.url, files, token)

    assert (first.returncode, again.returncode) == (4, 0), again.stderr
    assert ModelVersion.objects.count() == 1
    assert LedgerEntry.objects.filter(action="version.register").count() == 1


def test_lineage_card_and_alias_go_with_the_upload(live_server, alias, files, tmp_path):
    make.a_version(alias.model)
    card = tmp_path / "card.md"
    card.write_text('# Better, cheaper; "faster"\n')
    parents = json.dumps([{"version": "digits:1", "relation": "distilled_from"}])
    extra = {"--parents": parents, "--card": str(card), "--alias": "staging", "--timeout": "0"}

    done = run(live_server.url, files | extra)

    assert done.returncode == 4, done.stderr
    version = ModelVersion.objects.get(number=2)
    assert version.card == card.read_text()
    assert [edge.relation for edge in version.parent_edges.all()] == ["distilled_from"]
    assert version.file_name == Path(files["--file"]).name
    assert Upgrade.objects.get().alias.name == "staging"


def test_a_refused_upload_is_wrong_usage_and_says_why(live_server, alias, files):
    Path(files["--manifest"]).write_text("{}")

    done = run(live_server.url, files)

    assert done.returncode == 2
    assert "invalid_manifest" in done.stderr


def test_a_wrong_token_is_wrong_usage_and_is_never_printed(live_server, alias, files):
    done = run(live_server.url, files, "grt_0123456789_secret")

    assert done.returncode == 2
    assert "invalid_token" in done.stderr
    assert "secret" not in done.stderr + done.stdout


def test_a_registry_that_is_not_reached(files):
    assert run("http://127.0.0.1:1", files, "grt_token").returncode == 5


@pytest.mark.parametrize(
    "change",
    [
        {"--model": ""},
        {"--file": "/gone"},
        {"--manifest": "/gone"},
        {"--timeout": "soon"},
        {"--poll": "0"},
        {"--unknown": "1"},
    ],
)
def test_wrong_usage_is_told_before_anything_is_sent(files, change):
    done = run("http://127.0.0.1:1", files | change, "grt_token")

    assert done.returncode == 2
    assert "usage: gate.sh" in done.stderr


def test_it_goes_through_a_real_installation(embedded, processes, tmp_path):
    graph, manifest = toy.encoder("old")
    (tmp_path / "net.onnx").write_bytes(graph)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "set.npz").write_bytes(toy.an_evaluation_set())
    account = json.loads(embedded.manage("open_account", "ann", "--token-days", "1", "--json"))
    server = processes.manage(
        embedded,
        "serve",
        "--port",
        str(embedded.port),
        "--search-port",
        str(embedded.search_port),
    )
    wait_for_http(f"{embedded.url}/health/", server)
    prepare(embedded.url, account["token"], tmp_path / "set.npz")

    done = run(
        embedded.url,
        {
            "--model": "toy",
            "--file": str(tmp_path / "net.onnx"),
            "--manifest": str(tmp_path / "manifest.json"),
            "--timeout": "90",
        },
        account["token"],
    )

    assert done.returncode == 0, done.stderr + server.output()
    assert "passed: better than chance on toy-set:1" in done.stderr


def prepare(url: str, token: str, evaluation_set: Path) -> None:
    """Make a model whose alias is judged by a set that is ready, with curl as the script does."""

    def curl(*arguments: str) -> dict:
        command = ["curl", "--silent", "--fail-with-body", "-H", f"Authorization: Bearer {token}"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def post(path: str, **body: str) -> None:
        as_json = ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        curl(*as_json, f"{url}/api/v1/{path}")

    post("models", name="toy", task="embedding")
    post("models/toy/aliases", name="production")
    curl(
        *("-F", f"file=@{evaluation_set}", "-F", "name=toy-set", "-F", "task=embedding"),
        f"{url}/api/v1/evaluation-sets",
    )
    for _ in range(600):
        found = curl(f"{url}/api/v1/evaluation-sets/toy-set/revisions/1")
        if found["state"] != "inspecting":
            break
        threading.Event().wait(0.1)
    assert found["state"] == "ready", found
    post("models/toy/aliases/production/pins", evaluation_set="toy-set:1")
