"""Uploads at the edge: length, digest, first bytes; what is refused leaves nothing."""

import errno
import hashlib
import io
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings

from registry.catalog.models import Artifact, ModelVersion
from registry.core.data import artifact_store
from tests.builders import registry as make
from tests.registry.api.conftest import Api, refusal

BOUNDARY = "boundary"


@pytest.fixture
def model(db):
    return make.a_model("digits")


@pytest.fixture
def no_file_is_left(db, tmp_path, settings):
    """Temporary uploads go to a folder of their own; after the test neither it nor the store holds
    anything new."""
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    before = stored_files()
    yield
    assert list(tmp_path.iterdir()) == []
    assert stored_files() == before
    assert not Artifact.objects.exists()
    assert not ModelVersion.objects.exists()


def stored_files() -> set[Path]:
    root = Path(django_settings.REGISTRY_DATA_DIR) / "store"
    return {path for path in root.rglob("*") if path.is_file()}


def body(content: bytes, manifest: str = "{}") -> bytes:
    parts = [
        part('name="manifest"') + manifest.encode(),
        part('name="file"; filename="net.onnx"') + content,
        f"--{BOUNDARY}--\r\n".encode(),
    ]
    return b"\r\n".join(parts)


def part(disposition: str) -> bytes:
    return f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode()


def send_raw(api: Api, sent: bytes, announced: int):
    return api._client.generic(
        "POST",
        "/api/v1/models/digits/versions",
        headers=api.headers,
        **{
            "wsgi.input": io.BytesIO(sent),
            "CONTENT_LENGTH": str(announced),
            "CONTENT_TYPE": f"multipart/form-data; boundary={BOUNDARY}",
        },
    )


@pytest.mark.usefixtures("no_file_is_left")
@pytest.mark.parametrize("cut", [1, 10, 60, 300, 1000])
def test_an_upload_that_ends_early_is_refused_and_leaves_nothing(api, model, cut):
    whole = body(b"\x08" + b"x" * 500)

    response = send_raw(api, whole[:-cut], len(whole))

    assert refusal(response) == (400, "upload_truncated")


def test_the_same_upload_in_full_length_is_parsed(api, model):
    whole = body(b"\x08" + b"x" * 500)

    assert refusal(send_raw(api, whole, len(whole))) == (400, "invalid_manifest")


@pytest.mark.usefixtures("no_file_is_left")
def test_a_body_without_its_boundary_is_named(api, model):
    assert refusal(send_raw(api, b"nothing", 7)) == (400, "invalid_input")


@pytest.mark.usefixtures("no_file_is_left")
def test_a_body_above_the_limit_is_refused_before_it_is_read(api, model, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    unread = io.BytesIO(b"\x08" * 2000)
    unread.read = None

    response = api._client.generic(
        "POST",
        "/api/v1/models/digits/versions",
        headers=api.headers,
        **{
            "wsgi.input": unread,
            "CONTENT_LENGTH": "2000",
            "CONTENT_TYPE": f"multipart/form-data; boundary={BOUNDARY}",
        },
    )

    assert refusal(response) == (413, "upload_too_large")


@pytest.mark.usefixtures("no_file_is_left")
def test_fields_beside_the_file_are_bounded(api, model, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000

    whole = body(b"\x08graph", manifest="x" * 2000)

    assert refusal(send_raw(api, whole, len(whole))) == (413, "upload_too_large")


def upload(api, content, **fields):
    return api.upload("models/digits/versions", content, **{"manifest": make.a_manifest()} | fields)


@pytest.mark.usefixtures("no_file_is_left")
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_upload"),
        (b"PK\x03\x04torch", "wrong_file_type"),
        (b"\x80\x04pickle", "wrong_file_type"),
        (b'{"json": 1}', "wrong_file_type"),
    ],
)
def test_a_file_that_cannot_be_a_graph_is_named_and_leaves_nothing(api, model, content, code):
    assert refusal(upload(api, content)) == (400, code)


def test_the_bytes_that_come_must_have_the_announced_digest(api, model):
    content = make.model_bytes()
    other = hashlib.sha256(b"other").hexdigest()

    assert refusal(upload(api, content, sha256=other)) == (400, "digest_mismatch")
    assert not ModelVersion.objects.exists()
    assert (
        upload(api, content, sha256=hashlib.sha256(content).hexdigest().upper()).status_code == 201
    )


def test_a_large_upload_is_never_held_in_memory(api, model, monkeypatch):
    chunks = []
    original = artifact_store().__class__.write

    def write(store, pieces, *, max_bytes):
        def counted():
            for piece in pieces:
                chunks.append(len(piece))
                yield piece

        return original(store, counted(), max_bytes=max_bytes)

    monkeypatch.setattr(artifact_store().__class__, "write", write)

    assert upload(api, b"\x08" + bytes(3 << 20)).status_code == 201
    assert sum(chunks) == (3 << 20) + 1
    assert max(chunks) <= 1 << 20


def test_a_full_disk_is_named(api, model, monkeypatch):
    def refuse(self, raw, start):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(
        "django.core.files.uploadhandler.TemporaryFileUploadHandler.receive_data_chunk", refuse
    )

    assert refusal(upload(api, make.model_bytes())) == (507, "storage_full")


@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_a_client_that_hangs_up_leaves_nothing(live_server, tmp_path, settings):
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    make.a_model("digits")
    api = Api("write")
    whole = body(b"\x08" + b"x" * 200_000)
    head = (
        "POST /api/v1/models/digits/versions HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: {api.headers['Authorization']}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Content-Length: {len(whole)}\r\nConnection: close\r\n\r\n"
    ).encode()
    address = urlsplit(live_server.url)

    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(head + whole[:100_000])
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert b"upload_truncated" in answer
    assert list(tmp_path.iterdir()) == []
    assert not ModelVersion.objects.exists()
