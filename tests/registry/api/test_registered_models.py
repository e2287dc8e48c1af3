"""Models: register, list, read."""

from tests.builders import registry as make
from tests.registry.api.conftest import refusal


def test_a_model_is_registered_and_read_again(api):
    response = api.post(
        "models", name="digits", task="classification", description="ten digits", card="# Digits"
    )

    assert response.status_code == 201
    assert response.json() == api.get("models/digits").json()
    found = response.json()
    assert (found["name"], found["task"], found["card"]) == ("digits", "classification", "# Digits")
    assert (found["last_number"], found["aliases"]) == (0, [])
    assert found["created_by"] == api.owner.username


def test_a_name_is_taken_once(api):
    make.a_model("digits")

    response = api.post("models", name="digits", task="embedding")

    assert refusal(response) == (409, "duplicate_model")


def test_names_and_tasks_are_held_to_their_rules(api):
    assert refusal(api.post("models", name="a b", task="embedding")) == (400, "invalid_name")
    assert refusal(api.post("models", name="x" * 101, task="embedding")) == (400, "invalid_name")
    assert refusal(api.post("models", name="a", task="detection")) == (400, "unknown_task")
    assert refusal(api.post("models", name="a")) == (400, "invalid_input")


def test_an_unknown_model_is_named(api):
    assert refusal(api.get("models/nothing")) == (404, "unknown_model")


def test_models_are_listed_by_name_with_what_serves(api):
    upgrade = make.a_promoted_upgrade(make.an_alias(make.a_model("b")))
    make.a_model("a")
    make.an_alias(make.a_model("c"))

    listed = api.get("models").json()["results"]

    assert [model["name"] for model in listed] == ["a", "b", "c"]
    assert listed[1]["last_number"] == 1
    serving = {"name": "production", "version": upgrade.candidate.number, "epoch": 1}
    assert listed[1]["aliases"] == [serving]
    assert listed[2]["aliases"] == [{"name": "production", "version": None, "epoch": 0}]


def test_models_are_searched_by_part_of_their_name(api):
    make.a_model("face-embedder")
    make.a_model("digits")

    found = api.get("models", search="embed").json()["results"]

    assert [model["name"] for model in found] == ["face-embedder"]
