"""One attempt: what is sent, and how every kind of answer and silence is told."""

import json
import socket
import ssl
import subprocess
import time

import pytest

from tests.receiver import answers, listening, says
from workers.delivery.sender import Message, send
from workers.delivery.signature import signature_header

SECRETS = ("whsec_bmV3IHNlY3JldCBvZiAyNCBieXRlcyE=", "whsec_b2xkIHNlY3JldCBvZiAyNCBieXRlcyE=")
BODY = json.dumps({"type": "alias.moved", "data": {"name": "größer"}}).encode()
NOW = 1_900_000_000.7


@pytest.fixture
def receiver():
    with listening() as running:
        yield running


def attempt(url, *, limit=5.0, **options):
    message = Message(url=url, id="msg_1", body=BODY, secrets=SECRETS)
    options = {"allow_private": True, "clock": lambda: NOW, **options}
    return send(message, time_limit_s=limit, **options)


def test_the_receiver_gets_the_body_as_it_is_with_id_time_and_both_signatures(receiver):
    receiver.script.append(answers(200, b"thank you"))

    sent = attempt(receiver.url("/in/a?b=c"))

    assert (sent.code, sent.detail, sent.status, sent.excerpt) == ("", "", 200, "thank you")
    (got,) = receiver.received
    assert (got.path, got.body) == ("/in/a?b=c", BODY)
    assert got.headers["webhook-id"] == "msg_1"
    assert got.headers["webhook-timestamp"] == "1900000000"
    assert got.headers["webhook-signature"] == signature_header(
        SECRETS, message_id="msg_1", timestamp=1_900_000_000, body=BODY
    )
    assert got.headers["content-type"] == "application/json"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert "cookie" not in got.headers
    assert "authorization" not in got.headers


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_a_delivery(receiver, status):
    receiver.script.append(answers(status))

    assert (attempt(receiver.url()).code, receiver.connections) == ("", 1)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(receiver, status):
    with listening() as elsewhere:
        receiver.script.append(answers(status, Location=elsewhere.url()))

        sent = attempt(receiver.url())

        assert (sent.code, sent.status) == ("redirected", status)
        assert (receiver.connections, elsewhere.connections) == (1, 0)


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "refused_status"), (404, "refused_status"), (410, "gone"), (429, "refused_status")]
    + [(500, "refused_status"), (503, "refused_status")],
)
def test_other_answers_are_failures_with_their_status(receiver, status, code):
    receiver.script.append(answers(status, b"no"))

    sent = attempt(receiver.url())

    assert (sent.code, sent.status, sent.excerpt) == (code, status, "no")
    assert str(status) in sent.detail


def test_of_a_long_answer_only_the_beginning_is_read(receiver):
    receiver.script.append(answers(500, b"x" * 50_000_000))

    sent = attempt(receiver.url())

    assert sent.excerpt == "x" * 500


def test_what_no_text_may_hold_is_left_out_of_the_excerpt(receiver):
    receiver.script.append(answers(200, b"a\x00b\x1b[31mc\xff\r\n"))

    assert attempt(receiver.url()).excerpt == "ab[31mc�\n"


def test_a_receiver_that_says_nothing_ends_at_the_limit(receiver):
    receiver.script.append(receiver.hangs)
    begun = time.monotonic()

    sent = attempt(receiver.url(), limit=0.5)

    assert (sent.code, sent.status) == ("timed_out", None)
    assert 0.5 <= time.monotonic() - begun < 2


def test_a_receiver_that_drips_ends_at_the_limit_too(receiver):
    receiver.script.append(receiver.drips)
    begun = time.monotonic()

    sent = attempt(receiver.url(), limit=0.8)

    assert sent.code == "timed_out"
    assert time.monotonic() - begun < 2


def test_a_body_that_never_ends_does_not_undo_the_status(receiver):
    receiver.script.append(says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"))

    sent = attempt(receiver.url(), limit=1.0)

    assert (sent.code, sent.status) == ("", 200)


def test_a_closed_port_is_told(receiver):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))

        sent = attempt(f"http://127.0.0.1:{bound.getsockname()[1]}/")

    assert (sent.code, sent.status) == ("connect_failed", None)


@pytest.mark.parametrize(
    "raw",
    [b"", b"\r\n\r\n", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 abc\r\n\r\n"]
    + [b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"HTTP/1.1 " + b"2" * 70_000],
)
def test_what_is_no_http_is_no_answer(receiver, raw):
    receiver.script.append(says(raw))

    sent = attempt(receiver.url(), limit=2.0)

    assert (sent.code, sent.status) == ("no_answer", None)


def test_nothing_of_the_secrets_is_in_what_is_printed():
    message = Message(url="https://a.example/", id="msg_1", body=b"{}", secrets=SECRETS)

    assert "whsec" not in repr(message)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=hooks.example.com", "-out", "cert.pem"]
    command += ["-keyout", "key.pem", "-addext", "subjectAltName=DNS:hooks.example.com"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def secured(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    names = []
    context.sni_callback = lambda connection, name, _: names.append(name)
    with listening(context) as running:
        running.names = names
        yield running


def loopback(host, port):
    return ["127.0.0.1"]


def test_over_tls_the_name_is_kept_while_the_checked_address_is_dialled(secured, certificate):
    trust = ssl.create_default_context(cafile=certificate / "cert.pem")
    url = f"https://hooks.example.com:{secured.port}/in"

    sent = attempt(url, resolve=loopback, context=trust)

    assert (sent.code, sent.status) == ("", 204)
    assert secured.names == ["hooks.example.com"]
    assert secured.received[0].headers["host"] == f"hooks.example.com:{secured.port}"


@pytest.mark.parametrize("host", ["other.example.com", "127.0.0.1"])
def test_a_certificate_of_another_name_is_refused(secured, certificate, host):
    trust = ssl.create_default_context(cafile=certificate / "cert.pem")

    sent = attempt(f"https://{host}:{secured.port}/", resolve=loopback, context=trust)

    assert (sent.code, secured.received) == ("tls_failed", [])


def test_a_certificate_that_nobody_vouches_for_is_refused(secured):
    sent = attempt(f"https://hooks.example.com:{secured.port}/", resolve=loopback)

    assert (sent.code, secured.received) == ("tls_failed", [])


def test_a_handshake_that_is_never_answered_ends_at_the_limit():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://hooks.example.com:{silent.getsockname()[1]}/"

        sent = attempt(url, resolve=loopback, limit=0.5)

    assert sent.code == "timed_out"
