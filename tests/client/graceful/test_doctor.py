"""The doctor: what it finds of a registry, a token and clocks."""

import json

import pytest

from tests.builders import registry as make

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]


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
