"""Nothing is dialled but an address that was checked: no private one, no second DNS answer."""

import json
import socket
import time
from pathlib import Path

import pytest

from tests.receiver import listening
from workers.delivery import connect
from workers.delivery.sender import Message, send

CORPUS = Path(__file__).parents[2] / "registry" / "notify" / "hostile_targets.json"
URLS = [url for urls in json.loads(CORPUS.read_text(encoding="utf-8")).values() for url in urls]
PUBLIC = "93.184.215.14"


@pytest.fixture
def dialled(monkeypatch):
    """Every address that would be connected to; none is."""
    tried = []

    def refuse(address, port, timeout_s):
        tried.append((str(address), port))
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(connect, "open_socket", refuse)
    return tried


def attempt(url, resolve, **options):
    message = Message(url=url, id="msg_1", body=b"{}", secrets=("whsec_c2VjcmV0",))
    return send(
        message, **{"allow_private": False, "time_limit_s": 2.0, **options}, resolve=resolve
    )


def test_no_url_of_the_corpus_is_looked_up_or_dialled(dialled):
    asked = []

    for url in URLS:
        assert attempt(url, lambda host, _: asked.append(host) or [PUBLIC]).code in {
            "target_not_allowed",
            "invalid_webhook_url",
        }, url

    assert (asked, dialled) == ([], [])
    assert len(URLS) >= 200


@pytest.mark.parametrize(
    "answer",
    [
        ["127.0.0.1"],
        ["10.0.0.7"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["fe80::1%lo"],
        [PUBLIC, "127.0.0.1"],
        ["127.0.0.1", PUBLIC],
        ["2606:4700::1", PUBLIC, PUBLIC, PUBLIC, PUBLIC, PUBLIC, "fd00::1"],
    ],
)
def test_one_private_address_in_the_answer_refuses_all_of_it(dialled, answer):
    sent = attempt("https://hooks.example.com/", lambda *_: answer)

    assert (sent.code, dialled) == ("target_not_allowed", [])


def test_a_name_that_is_rebound_is_asked_once_and_the_checked_answer_is_dialled(dialled):
    turns = iter([[PUBLIC], ["127.0.0.1"], ["127.0.0.1"]])
    asked = []

    def rebinding(host, port):
        asked.append(host)
        return next(turns)

    attempt("https://rebind.example.com/", rebinding)

    assert (asked, dialled) == (["rebind.example.com"], [(PUBLIC, 443)])


def test_the_second_message_to_a_rebound_name_is_checked_again(dialled):
    turns = iter([[PUBLIC], ["127.0.0.1"]])
    codes = [attempt("https://rebind.example.com/", lambda *_: next(turns)).code for _ in range(2)]

    assert codes == ["connect_failed", "target_not_allowed"]
    assert dialled == [(PUBLIC, 443)]


def test_the_system_is_asked_once_also_when_the_connection_is_real(monkeypatch):
    asked = []

    def lookup(host, port, **_):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with listening() as receiver:
        url = f"http://hooks.example.com:{receiver.port}/"

        sent = attempt(url, connect.system_resolver, allow_private=True)

        assert (sent.code, asked) == ("", ["hooks.example.com"])
        assert receiver.received[0].headers["host"] == f"hooks.example.com:{receiver.port}"


def test_without_the_setting_a_listener_on_loopback_gets_no_connection():
    with listening() as receiver:
        for host in ("localhost", "127.0.0.1", "hooks.example.com"):
            for scheme in ("http", "https"):
                sent = attempt(f"{scheme}://{host}:{receiver.port}/", lambda *_: ["127.0.0.1"])
                assert sent.code == "target_not_allowed"
        sent = attempt("https://hooks.example.com/", lambda *_: ["127.0.0.1"])

        assert (sent.code, receiver.connections) == ("target_not_allowed", 0)


def test_the_next_address_is_tried_where_one_does_not_answer(dialled):
    attempt("https://hooks.example.com/", lambda *_: [PUBLIC, "2606:4700::1"])

    assert dialled == [(PUBLIC, 443), ("2606:4700::1", 443)]


def test_a_name_with_many_addresses_is_given_up_after_a_few(dialled):
    attempt("https://hooks.example.com/", lambda *_: [f"93.184.215.{n}" for n in range(99)])

    assert len(dialled) == connect.MOST_ADDRESSES


@pytest.mark.parametrize("answer", [[], ["nonsense"]])
def test_a_name_without_an_address_is_told(dialled, answer):
    assert attempt("https://hooks.example.com/", lambda *_: answer).code == "dns_failed"


def test_a_resolver_that_fails_or_hangs_is_told(dialled):
    def fails(host, port):
        raise socket.gaierror(-2, "Name or service not known")

    begun = time.monotonic()

    assert attempt("https://hooks.example.com/", fails).code == "dns_failed"
    hanging = attempt("https://hooks.example.com/", lambda *_: time.sleep(3), time_limit_s=0.3)
    assert (hanging.code, dialled) == ("dns_failed", [])
    assert time.monotonic() - begun < 2
