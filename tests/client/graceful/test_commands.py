"""The other commands against the live server: what they say, change, and exit with."""

import json
import stat

import pytest
from graceful import RefusedError

from compat.verdict import Outcome
from registry.audit.models import LedgerEntry
from registry.catalog.models import AliasMove, ModelVersion
from registry.upgrades.models import PolicyChoice, PolicyRevision
from tests.builders import registry as make

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def alias(registry):
    return make.an_alias(make.a_model("digits"))


@pytest.fixture
def files(tmp_path):
    """A candidate with its manifest and card."""
    (tmp_path / "net.onnx").write_bytes(make.model_bytes())
    (tmp_path / "manifest.json").write_text(json.dumps(make.a_manifest()))
    (tmp_path / "card.md").write_text("# Card\n\nMade for tests.\n")
    return tmp_path


def push(run, files, *options, **more):
    return run(
        "push",
        "digits",
        files / "net.onnx",
        "--manifest",
        files / "manifest.json",
        *options,
        **more,
    )


def test_login_keeps_what_opens_the_registry(run, live_server, secret, home):
    result = run("login", live_server.url + "/", "--token-stdin", input=f"{secret}\n")

    assert result.exit_code == 0, result.stderr
    assert secret not in result.output
    assert stat.S_IMODE((home / "login.json").stat().st_mode) == 0o600
    assert run("models").exit_code == 0


@pytest.mark.parametrize("given", ["grt_0123456789_wrong\n", "\n", "t\u00f6ken\n"])
def test_a_token_that_opens_nothing_is_not_kept(run, live_server, home, given):
    result = run("login", live_server.url, "--token-stdin", input=given)

    assert result.exit_code == 2
    assert not home.exists()


def test_a_token_that_only_writes_is_a_token_too(run, live_server, home):
    token = make.a_token(scopes=["write"])[1]

    assert run("login", live_server.url, "--token-stdin", input=token).exit_code == 0


def test_an_address_that_is_read_by_everybody_on_its_way_is_warned_about(run, monkeypatch):
    monkeypatch.setattr("graceful.commands.login._try", lambda kept: None)

    assert "not https" in run("login", "http://r.example", "--token-stdin", input="t\n").stderr
    assert "not https" not in run("login", "https://r.example", "--token-stdin", input="t").stderr
    assert "not https" not in run("login", "http://[::1]:8", "--token-stdin", input="t").stderr


def test_models_are_listed_with_what_serves(run, alias):
    make.a_promoted_upgrade(alias)
    make.a_model("faces", task="embedding")

    table = run("models")
    found = json.loads(run("models", "dig", "--format", "json").stdout)

    assert [line.split() for line in table.stdout.splitlines()] == [
        ["model", "task", "versions", "aliases"],
        ["digits", "classification", "1", "production=1"],
        ["faces", "embedding", "0", "-"],
    ]
    assert [model["name"] for model in found] == ["digits"]


def test_a_push_prints_a_link_and_is_repeated_without_harm(run, registry, alias, files):
    first = push(run, files, "--card", files / "card.md")
    again = push(run, files, "--card", files / "card.md", "--format", "json")

    assert first.exit_code == again.exit_code == 0, first.stderr
    said = json.loads(again.stdout)
    assert said["version"] == "digits:1"
    assert said["link"] == f"{registry.url}/upgrades/{said['upgrade']}/"
    assert said["link"] in first.stdout
    assert push(run, files, "--card", files / "card.md", "--print-number").stdout == "1\n"
    assert "sending" in first.stderr
    assert ModelVersion.objects.get().card == "# Card\n\nMade for tests.\n"


def test_a_push_names_parents_and_the_alias(run, registry, alias, files):
    make.a_promoted_upgrade(alias)
    registry.open_alias("digits", "staging")

    result = push(
        run, files, "--parent", "retrained_from=digits@production", "--alias", "staging",
        "--parent", "compatible_with=digits:1",
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    version = registry.version("digits", 2)
    assert {(e["relation"], e["version"]) for e in version["parents"]} == {
        ("retrained_from", "digits:1"),
        ("compatible_with", "digits:1"),
    }
    assert registry.upgrade_to("digits", 2)["alias"] == "staging"


def test_a_push_of_recorded_outputs_has_no_file(run, alias, files):
    (files / "manifest.json").write_text(json.dumps(make.a_manifest(recorded=True)))

    result = run("push", "digits", "--manifest", files / "manifest.json")

    assert result.exit_code == 0, result.stderr
    assert ModelVersion.objects.get().artifact is None


def test_a_push_that_waits_exits_as_the_gate_does(run, alias, files):
    result = push(run, files, "--wait", "--timeout", "0.2")

    assert result.exit_code == 4
    assert "is pending" in result.stdout


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda files: (files / "manifest.json").write_text('{"schema": 1,\n  oops}'), "not_json"),
        (lambda files: (files / "manifest.json").write_text("{}"), "invalid_manifest"),
        (lambda files: (files / "net.onnx").write_bytes(b""), "empty_upload"),
        (lambda files: (files / "net.onnx").write_bytes(b"\x80\x04" * 20), "wrong_file_type"),
    ],
)
def test_a_push_that_makes_no_sense_leaves_nothing(run, alias, files, change, code):
    change(files)

    result = push(run, files)

    assert result.exit_code == 2
    assert f"{code}: " in result.stderr
    assert not ModelVersion.objects.exists()


def test_broken_json_is_named_by_its_line(run, alias, files):
    (files / "manifest.json").write_text('{"schema": 1,\n  oops}')

    assert "line 2, column 3" in push(run, files).stderr


@pytest.mark.parametrize("parent", ["digits:1", "=digits:1", "retrained_from="])
def test_a_parent_has_a_relation(run, alias, files, parent):
    assert push(run, files, "--parent", parent).exit_code == 2


def promote(run, candidate, *options, alias="digits@production"):
    return run("promote", alias, "--candidate", candidate, *options)


def test_a_dry_run_says_what_a_promotion_then_does(run, alias):
    make.a_judged_upgrade(alias)

    dry = promote(run, 1, "--dry-run")
    moves = AliasMove.objects.count()
    real = promote(run, 1, "--reason", "it passed")

    assert (dry.exit_code, real.exit_code) == (0, 0), real.stderr
    assert dry.stdout == "would move digits@production from nothing to digits:1\n"
    assert real.stdout == "moved digits@production from nothing to digits:1\n"
    assert (moves, AliasMove.objects.count()) == (0, 1)
    assert AliasMove.objects.get().reason == "it passed"


def test_a_pipeline_that_runs_again_finds_the_alias_moved(run, alias):
    make.a_judged_upgrade(alias)
    promote(run, 1)

    again = promote(run, 1)

    assert again.exit_code == 0
    assert "names digits:1 already" in again.stderr
    assert AliasMove.objects.count() == 1


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(Outcome.FAILED, 1), (Outcome.INCONCLUSIVE, 3), (Outcome.ERRORED, 6)],
)
def test_what_did_not_pass_is_not_promoted_and_the_exit_code_says_why(run, alias, outcome, code):
    make.a_judged_upgrade(alias, outcome=outcome)

    result = promote(run, 1)

    assert result.exit_code == code
    assert "gate_not_passed" in result.stderr
    assert f"is {outcome}" in result.stderr
    assert result.stdout == ""
    assert not AliasMove.objects.exists()


def test_a_candidate_that_is_still_evaluated_is_pending(run, alias):
    make.an_upgrade(alias)

    assert promote(run, 1).exit_code == 4


def test_a_token_without_the_scope_promotes_nothing(run, alias, monkeypatch):
    make.a_judged_upgrade(alias)
    monkeypatch.setenv("GRACEFUL_TOKEN", make.a_token(scopes=["read", "write"])[1])

    result = promote(run, 1)

    assert result.exit_code == 2
    assert "missing_scope" in result.stderr


@pytest.fixture
def twice_moved(registry):
    """``faces@production`` went from 1 to 2, and nothing says that 1 understands items of 2."""
    alias = make.an_alias(make.a_model("faces", task="embedding"))
    make.a_promoted_upgrade(alias)
    gallery = make.a_gallery(alias, name="people", items=3)
    make.a_promoted_upgrade(alias)
    make.an_insert(gallery, ["late-1", "late-2"])
    alias.gate.pins.all().delete()
    return alias


def test_a_rollback_shows_its_plan_and_needs_the_exact_cost(run, twice_moved):
    plan = run("rollback", "faces@production", "--to", 1, "--dry-run")
    refused = run("rollback", "faces@production", "--to", 1)
    wrong = run("rollback", "faces@production", "--to", 1, "--confirm-unsearchable", 3)
    cost = json.loads(
        run("rollback", "faces@production", "--to", 1, "--dry-run", "--format", "json").stdout
    )["unsearchable_items"]
    done = run(
        "rollback", "faces@production", "--to", 1, "--confirm-unsearchable", cost, "--reason", "bad"
    )

    assert cost == 2
    assert plan.exit_code == 0
    assert "people" in plan.stdout
    assert refused.exit_code == wrong.exit_code == 1
    assert "--confirm-unsearchable 2" in refused.stderr
    assert done.exit_code == 0, done.stderr
    assert "moved faces@production from faces:2 to faces:1" in done.stdout
    assert AliasMove.objects.count() == 3


def test_a_rollback_in_json_is_one_document(run, alias):
    make.a_promoted_upgrade(alias)
    make.a_promoted_upgrade(alias)

    result = run("rollback", "digits@production", "--to", 1, "--format", "json")

    assert json.loads(result.stdout)["move"]["version"] == "digits:1"


def test_history_tells_who_moved_it_and_what_it_named_at_a_moment(run, alias):
    make.a_promoted_upgrade(alias)
    moment = AliasMove.objects.get().at
    make.a_promoted_upgrade(alias)

    moves = json.loads(run("history", "digits@production", "--format", "json").stdout)
    then = json.loads(
        run("history", "digits@production", "--at", moment.isoformat(), "--format", "json").stdout
    )

    assert [move["version"] for move in moves] == ["digits:2", "digits:1"]
    assert [move["version"] for move in then] == ["digits:1"]
    assert "it passed" in run("history", "digits@production").stdout
    assert run("history", "digits@production", "--at", "yesterday").exit_code == 2


def test_a_diff_shows_what_was_measured_between_two_versions(run, alias):
    make.a_promoted_upgrade(alias)
    upgrade = make.a_judged_upgrade(alias)

    table = run("diff", "digits:1", "digits:2")
    found = json.loads(run("diff", "digits:1", "digits:2", "--format", "json").stdout)
    same = json.loads(run("diff", "--upgrade", upgrade.pk, "--format", "json").stdout)

    assert table.exit_code == 0, table.stderr
    assert "digits:1 -> digits:2" in table.stdout
    assert "nfr" in table.stdout
    assert "[" in table.stdout
    assert found == same
    assert {m["name"] for m in found[0]["measurements"]} >= {"nfr", "accuracy.new"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["digits:2", "digits:1"],
        ["digits:1", "digits:9"],
        ["digits:1"],
        [],
        ["digits", "digits:2"],
        ["digits:1", "digits:2", "--upgrade", "1"],
        ["--upgrade", "987"],
    ],
)
def test_what_was_not_compared_is_named(run, alias, arguments):
    make.a_promoted_upgrade(alias)
    make.a_judged_upgrade(alias)

    assert run("diff", *arguments).exit_code == 2


@pytest.fixture
def policy_file(tmp_path):
    path = tmp_path / "strict.json"
    path.write_text(json.dumps(make.a_policy_document()))
    return path


def test_lint_says_whether_a_document_is_a_policy(run, registry, policy_file):
    good = run("policy", "lint", policy_file)
    document = json.loads(policy_file.read_text())
    policy_file.write_text(json.dumps(document | {"rules": []}))
    bad = run("policy", "lint", policy_file)

    assert good.exit_code == 0, good.stderr
    assert "a policy for classification" in good.stdout
    assert bad.exit_code == 1
    assert "invalid_policy" in bad.stderr
    assert not PolicyRevision.objects.exists()


def test_a_policy_is_set_from_a_file_and_again_without_another_revision(run, alias, policy_file):
    first = run("policy", "set", "digits@production", "--file", policy_file, "--name", "strict")
    again = run("policy", "set", "digits@production", "--file", policy_file, "--name", "strict")

    assert first.exit_code == again.exit_code == 0, again.stderr
    assert first.stdout == again.stdout == "digits@production is guarded by strict:1\n"
    assert str(PolicyChoice.objects.get(scope="alias").policy_revision) == "strict:1"


def test_a_policy_is_set_by_its_name_and_shown(run, alias):
    revision = make.a_policy_revision("strict")
    make.a_pin(alias, make.a_set_revision("held-out"))

    done = run("policy", "set", "digits@production", "strict:1")
    shown = run("policy", "show", "digits@production")
    document = json.loads(run("policy", "show", "strict:1", "--format", "json").stdout)

    assert done.exit_code == 0, done.stderr
    assert "strict:1" in shown.stdout
    assert "held-out:1" in shown.stdout
    assert "negative flips" in shown.stdout
    assert document == {
        "policy": document["policy"] | {"document": revision.document},
        "pins": None,
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ["digits@production"],
        ["digits", "production", "strict:1"],
        ["strict:1"],
        ["digits@production", "strict:1", "--name", "strict"],
        ["digits@production", "nothing:1"],
    ],
)
def test_a_policy_that_is_not_there_guards_nothing(run, alias, arguments):
    assert run("policy", "set", *arguments).exit_code == 2


def test_a_revision_is_found_by_its_document(registry):
    old, new = make.a_policy_document(), make.a_policy_document()
    first, second = registry.add_policy("strict", old), registry.add_policy("strict", new)

    assert registry.add_policy("strict", old) == first != second
    with pytest.raises(RefusedError) as caught:
        registry.add_policy("strict", old | {"rules": []})
    assert caught.value.code == "invalid_policy"


def test_galleries_are_listed_and_shown_with_their_segments(run, twice_moved):
    listed = json.loads(run("galleries", "--format", "json").stdout)
    shown = run("galleries", "people")

    assert [(g["name"], g["encoder"], g["items"]) for g in listed] == [("people", "faces:2", 5)]
    assert "people" in run("galleries").stdout
    assert "faces:1" in shown.stdout
    assert run("galleries", "nothing").exit_code == 2


def test_the_live_pointer_of_a_gallery_is_shown_and_acknowledged(run, registry, twice_moved):
    live = json.loads(run("galleries", "people", "--live", "--format", "json").stdout)
    shown = run("galleries", "people", "--live").stdout

    assert (live["epoch"], live["encoder"]) == (2, "faces:2")
    assert [(s["producer"], s["encoder"]) for s in live["segments"]] == [
        ("faces:1", "faces:2"),
        ("faces:2", "faces:2"),
    ]
    assert "/api/v1/models/faces/versions/2/artifact" in shown
    assert run("galleries", "nothing", "--live").exit_code == 2
    assert registry.acknowledge("people", "search-eu", 2)["behind"] == 0


def test_the_ledger_is_verified_by_the_registry_and_offline(run, alias, tmp_path):
    export = tmp_path / "ledger.jsonl"
    make.a_promoted_upgrade(alias)

    online = run("ledger", "verify")
    made = run("ledger", "export", export)
    offline = run("ledger", "verify", export)
    head = online.stdout.rpartition(" ")[2].strip()
    with_head = run("ledger", "verify", export, "--head", head)

    assert [r.exit_code for r in (online, made, offline, with_head)] == [0, 0, 0, 0]
    assert online.stdout == offline.stdout
    lines = export.read_text().splitlines(keepends=True)
    export.write_text("".join(lines[:-1]))
    assert run("ledger", "verify", export).exit_code == 0
    assert run("ledger", "verify", export, "--head", head).exit_code == 1
    export.write_text("".join(lines[:2] + lines[3:]))
    broken = run("ledger", "verify", export)
    assert broken.exit_code == 1
    assert "NOT VERIFIED" in broken.stderr
    assert run("ledger", "verify", "--head", head).exit_code == 2


def test_a_ledger_that_was_changed_is_found_by_the_registry(run, alias, monkeypatch):
    from registry.audit.chain import ChainError

    def broken():
        raise ChainError("entry 2 was changed")

    monkeypatch.setattr("registry.api.ledger.verified_head", broken)

    result = run("ledger", "verify")

    assert result.exit_code == 1
    assert "entry 2 was changed" in result.stderr


def findings(run):
    result = run("doctor", "--format", "json")
    return result.exit_code, {
        f["what"]: (f["state"], f["detail"]) for f in json.loads(result.stdout)
    }


def test_the_doctor_finds_all_well(run, registry):
    code, found = findings(run)

    assert code == 0
    assert {state for state, _ in found.values()} == {"ok"}
    assert registry.url in found["registry"][1]
    assert "promote" in found["token"][1]
    assert "days" in found["expiry"][1]
    assert "ok" in run("doctor").stdout


def test_the_doctor_says_what_a_token_may_not_do(run, registry, monkeypatch):
    monkeypatch.setenv("GRACEFUL_TOKEN", make.a_token(scopes=["read"])[1])

    code, found = findings(run)

    assert code == 0
    assert found["token"][0] == "warning"
    assert "without promote, write" in found["token"][1]


def test_the_doctor_finds_clocks_that_differ(scripted, run, monkeypatch):
    monkeypatch.setenv("GRACEFUL_URL", scripted.url)
    monkeypatch.setenv("GRACEFUL_TOKEN", "grt_a_b")
    scripted.answers = [(200, {"info": {"version": "1"}})]
    monkeypatch.setattr(
        "http.server.BaseHTTPRequestHandler.date_time_string",
        lambda self, timestamp=None: "Mon, 01 Jan 2001 00:00:00 GMT",
    )

    _, found = findings(run)

    assert found["clock"][0] == "warning"
    assert found["token"][0] == "warning"


@pytest.mark.parametrize(
    ("url", "token", "code"),
    [("http://127.0.0.1:9", "grt_a_b", 5), (None, "grt_0123456789_wrong", 2), (None, "", 2)],
)
def test_the_doctor_says_what_is_bad(run, registry, monkeypatch, url, token, code):
    monkeypatch.setattr("graceful.transport.FIRST_DELAY_S", 0.0)
    monkeypatch.setenv("GRACEFUL_TOKEN", token)
    if url:
        monkeypatch.setenv("GRACEFUL_URL", url)

    exit_code, found = findings(run)

    assert exit_code == code
    assert found["registry"][0] == "bad"


def test_events_and_entries_are_iterated(registry, alias):
    make.a_promoted_upgrade(alias)

    events, entries = list(registry.events()), list(registry.ledger(action="upgrade.promote"))

    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    assert "alias.moved" in {event["kind"] for event in events}
    assert len(entries) == LedgerEntry.objects.filter(action="upgrade.promote").count() == 1


def test_a_withdrawn_upgrade_is_closed(registry, alias):
    upgrade = make.a_judged_upgrade(alias)

    assert registry.withdraw(upgrade.pk, reason="no")["state"] == "withdrawn"
