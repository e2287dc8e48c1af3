"""What is asked again, under which key, and what a refusal or a silence becomes."""

import pytest
from graceful import Client, RefusedError, UnreachableError
from graceful.access import Access
from graceful.transport import FIRST_DELAY_S, LONGEST_DELAY_S, Transport, delay_s

BUSY = (503, {"code": "busy", "detail": "too much to do"})
MODEL = {"name": "digits"}


@pytest.fixture
def slept():
    return []


@pytest.fixture
def transport(scripted, slept):
    made = Transport(
        Access(scripted.url, "grt_a_secret"), timeout_s=5, attempts=3, sleep=slept.append
    )
    yield made
    made.close()


def asked(scripted):
    return [(method, path) for method, path, _, _ in scripted.requests]


@pytest.mark.parametrize("trouble", [BUSY, None, (502, b"<html>"), (429, {})])
def test_reading_is_repeated_until_the_registry_answers(scripted, transport, slept, trouble):
    scripted.answers = [trouble, trouble, (200, MODEL)]

    assert transport.get("models/digits") == MODEL
    assert len(scripted.requests) == 3
    assert len(slept) == 2


def test_patience_ends(scripted, transport):
    scripted.answers = [BUSY] * 3

    with pytest.raises(RefusedError) as caught:
        transport.get("models/digits")

    assert (caught.value.status, caught.value.code) == (503, "busy")
    assert len(scripted.requests) == 3


def test_an_act_without_a_key_is_never_repeated(scripted, transport):
    scripted.answers = [None, (200, MODEL)]

    with pytest.raises(UnreachableError):
        transport.post("models", MODEL)

    assert len(scripted.requests) == 1


def test_an_act_is_repeated_under_its_one_key(scripted):
    scripted.answers = [None, (201, MODEL)]

    with Client(scripted.url, "grt_a_secret") as client:
        client.transport._sleep = lambda _: None
        assert client.register_model("digits", "classification") == MODEL

    keys = {headers["Idempotency-Key"] for _, _, headers, _ in scripted.requests}
    assert len(scripted.requests) == 2
    assert len(keys) == 1


def test_two_acts_have_two_keys(scripted):
    scripted.answers = [(201, MODEL), (201, MODEL)]

    with Client(scripted.url, "grt_a_secret") as client:
        client.register_model("digits", "classification")
        client.register_model("digits", "classification")

    assert len({headers["Idempotency-Key"] for _, _, headers, _ in scripted.requests}) == 2


def test_a_refusal_has_the_code_of_the_api(scripted, transport):
    scripted.answers = [(404, {"code": "unknown_model", "detail": "no model digits"})]

    with pytest.raises(RefusedError, match="no model digits") as caught:
        transport.get("models/digits")

    assert (caught.value.status, caught.value.code) == (404, "unknown_model")
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"\xff"])
def test_a_refusal_without_a_reason_is_named_by_its_status(scripted, transport, body):
    scripted.answers = [(403, body)]

    with pytest.raises(RefusedError) as caught:
        transport.get("models")

    assert caught.value.code == "http_403"


def test_what_answers_with_a_page_is_no_registry(scripted, transport):
    scripted.answers = [(200, b"<html>log in</html>")]

    with pytest.raises(UnreachableError) as caught:
        transport.get("models")

    assert caught.value.code == "not_a_registry"


def test_a_redirect_is_not_followed_with_the_token(scripted, transport):
    scripted.answers = [(301, b"", ("Location", "http://127.0.0.1:9/"))]

    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9") as caught:
        transport.get("models")

    assert caught.value.code == "redirected"
    assert len(scripted.requests) == 1


def test_nobody_there_is_unreachable():
    with Client("http://127.0.0.1:9", "grt_a_secret") as client:
        client.transport._sleep = lambda _: None
        with pytest.raises(UnreachableError, match="does not answer"):
            client.model("digits")


def test_the_registry_says_how_long_to_wait_and_is_believed_up_to_a_limit(
    scripted, transport, slept
):
    scripted.answers = [
        (429, {}, ("Retry-After", "3")),
        (503, {}, ("Retry-After", "86400")),
        (200, MODEL),
    ]

    transport.get("models/digits")

    assert slept == [3.0, LONGEST_DELAY_S]


def test_pauses_double_and_end_at_the_longest():
    assert 0.75 * FIRST_DELAY_S <= delay_s(1) <= 1.25 * FIRST_DELAY_S
    assert 1.5 * FIRST_DELAY_S <= delay_s(2) <= 2.5 * FIRST_DELAY_S
    assert delay_s(50) <= 1.25 * LONGEST_DELAY_S


def test_a_list_is_read_page_by_page(scripted, transport):
    scripted.answers = [
        (200, {"results": [1, 2], "next_page_token": "t"}),
        (200, {"results": [3], "next_page_token": None}),
    ]

    assert list(transport.pages("models", search="a b", state="")) == [1, 2, 3]
    assert asked(scripted) == [
        ("GET", "/api/v1/models?page_size=200&search=a+b"),
        ("GET", "/api/v1/models?page_token=t&page_size=200&search=a+b"),
    ]


def test_every_request_carries_the_token(scripted, transport):
    transport.get("models")

    headers = scripted.requests[0][2]
    assert headers["Authorization"] == "Bearer grt_a_secret"
    assert headers["User-Agent"].startswith("graceful/")
