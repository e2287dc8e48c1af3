"""The other commands against the live server: what they say, change, and exit with."""

import json
import stat

import pytest

from tests.builders import registry as make

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]


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


def test_a_withdrawn_upgrade_is_closed(registry, alias):
    upgrade = make.a_judged_upgrade(alias)

    assert registry.withdraw(upgrade.pk, reason="no")["state"] == "withdrawn"
