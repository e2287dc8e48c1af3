"""Pages: complete, without repetition, and only with tokens that were made for the list."""

import pytest
from django.core import signing

from registry.api.pagination import DEFAULT_SIZE, LARGEST_SIZE, SALT
from registry.notify.models import OutboxEvent
from registry.notify.services.publish import publish
from tests.builders import registry as make
from tests.registry.api.conftest import refusal


def read_to_the_end(api, path, size, **filters):
    found, token = [], None
    while True:
        query = {"page_size": size} | filters | ({"page_token": token} if token else {})
        page = api.get(path, **query).json()
        assert len(page["results"]) <= size
        found += page["results"]
        token = page["next_page_token"]
        if token is None:
            return found


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_pages_together_are_the_list(api, size):
    for name in "eadcb":
        make.a_model(name)

    found = read_to_the_end(api, "models", size)

    assert [one["name"] for one in found] == ["a", "b", "c", "d", "e"]


def test_pages_in_falling_order_are_the_list(api):
    model = make.a_model("digits")
    for _ in range(5):
        make.a_version(model)

    found = read_to_the_end(api, "models/digits/versions", 2)

    assert [one["number"] for one in found] == [5, 4, 3, 2, 1]


def test_what_is_added_meanwhile_neither_shifts_nor_repeats(api):
    for name in "bdf":
        make.a_model(name)
    first = api.get("models", page_size=2).json()
    make.a_model("a")
    make.a_model("e")

    rest = api.get("models", page_size=2, page_token=first["next_page_token"]).json()

    assert [one["name"] for one in rest["results"]] == ["e", "f"]
    assert rest["next_page_token"] is None


def test_filters_go_with_the_pages(api):
    alias = make.an_alias(make.a_model("digits"))
    wanted = [make.an_upgrade(alias).pk for _ in range(3)]
    make.an_upgrade()

    found = read_to_the_end(api, "upgrades", 1, model="digits")

    assert [one["id"] for one in found] == sorted(wanted, reverse=True)


def test_a_page_has_a_usual_and_a_largest_size(api):
    for number in range(LARGEST_SIZE + 1):
        publish(kind=f"kind-{number}", subject="test")

    assert len(api.get("events").json()["results"]) == DEFAULT_SIZE
    assert len(api.get("events", page_size=999_999_999).json()["results"]) == LARGEST_SIZE
    assert OutboxEvent.objects.count() == LARGEST_SIZE + 1


@pytest.mark.parametrize("size", ["0", "-1", "ten", "1.5", "", "9" * 5000, "\u0663", "1e3"])
def test_a_page_size_that_is_none_is_refused(api, size):
    assert refusal(api.get("models", page_size=size)) == (400, "invalid_page_size")


@pytest.mark.parametrize(
    "token",
    [
        "garbage",
        "",
        "a:b:c",
        "\x00",
        signing.dumps(("list", 1), salt="another"),
        signing.dumps(("list", 1), salt=SALT),
        signing.dumps([1], salt=SALT),
        signing.dumps(7, salt=SALT),
        signing.dumps({"a": 1, "b": 2}, salt=SALT),
    ],
    ids=range(9),
)
def test_a_token_that_is_none_is_refused(api, token):
    for path in ("models", "events"):
        assert refusal(api.get(path, page_token=token)) == (400, "invalid_page_token")


def test_a_token_is_good_for_its_own_list_only(api):
    for name in "ab":
        make.a_model(name)
        make.a_policy_revision(name)
    token = api.get("models", page_size=1).json()["next_page_token"]

    assert refusal(api.get("policies", page_token=token)) == (400, "invalid_page_token")
    narrowed = api.get("models", search="b", page_token=token)
    assert refusal(narrowed) == (400, "invalid_page_token")
    assert api.get("models", page_token=token).status_code == 200


def test_a_token_is_opaque_and_signed(api):
    for name in "ab":
        make.a_model(name)
    token = api.get("models", page_size=1).json()["next_page_token"]

    forged = ("A" if token[0] != "A" else "B") + token[1:]

    assert refusal(api.get("models", page_token=forged)) == (400, "invalid_page_token")
