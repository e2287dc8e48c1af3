"""Uploads in pieces: what is answered is on disk, and what was interrupted goes on."""

import errno
import fcntl
import hashlib
import io
import os
import socket
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from registry.api import incoming
from registry.api.models import UploadSession
from registry.catalog.models import Artifact, ModelVersion
from registry.evaluation.models import SetRevision
from tests.builders import registry as make
from tests.processes import wait_until
from tests.registry.api.conftest import Api, refusal

pytestmark = pytest.mark.django_db


def content_of(size: int = 3000, kind: str = "model") -> bytes:
    """Return bytes that begin like an upload of that kind, different each time."""
    made = make.model_bytes() if kind == "model" else make.table_bytes()
    return made + bytes(size - len(made))


def open_upload(api, content, *, kind="model", **changes):
    body = {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "kind": kind}
    return api.post("uploads", **body | changes)


def send(api, upload, offset, piece):
    return api.send(
        "PATCH",
        f"uploads/{upload}",
        piece,
        {"Upload-Offset": str(offset)},
        content_type="application/octet-stream",
    )


def uploaded(api, content, **fields):
    """Upload everything and return the id."""
    upload = open_upload(api, content, **fields).json()["id"]
    assert send(api, upload, 0, content).status_code == 200
    return upload


def file_of(upload) -> Path:
    return Path(django_settings.REGISTRY_DATA_DIR) / "incoming" / upload


def offset_of(api, upload):
    return api.get(f"uploads/{upload}").json()["offset"]


def test_pieces_become_a_version(api):
    make.a_model("digits")
    content = content_of()
    opened = open_upload(api, content, file_name="net.onnx")
    upload = opened.json()["id"]

    offsets = [
        send(api, upload, start, content[start : start + 1000]).json()["offset"]
        for start in (0, 1000, 2000)
    ]
    response = api.post("models/digits/versions", upload=upload, manifest=make.a_manifest())

    assert opened.status_code == 201
    assert opened.json()["offset"] == 0
    assert offsets == [1000, 2000, 3000]
    assert response.status_code == 201
    version = response.json()["version"]
    assert version["file_name"] == "net.onnx"
    assert version["artifact"] == hashlib.sha256(content).hexdigest()
    assert version["size_bytes"] == 3000
    assert not file_of(upload).exists()


def test_pieces_become_an_evaluation_set(api):
    upload = uploaded(api, content_of(kind="table"), kind="table", file_name="digits.npz")

    response = api.post("evaluation-sets", upload=upload, name="digits", task="classification")

    assert response.status_code == 201
    assert SetRevision.objects.get().file_name == "digits.npz"


def test_an_evaluation_set_needs_its_bytes(api):
    response = api.post("evaluation-sets", name="digits", task="classification")

    assert refusal(response) == (400, "invalid_input")


def test_a_piece_at_another_offset_is_told_the_right_one(api):
    content = content_of()
    upload = open_upload(api, content).json()["id"]
    send(api, upload, 0, content[:1000])

    for offset in (0, 999, 1001, 3000, 10**18):
        response = send(api, upload, offset, content[:10])
        assert refusal(response) == (409, "offset_mismatch")
        assert response.headers["Upload-Offset"] == "1000"
    assert file_of(upload).read_bytes() == content[:1000]


@pytest.mark.parametrize("offset", ["", "-1", "1.0", "x", "9" * 30, "٣"])
def test_an_offset_is_a_whole_number(api, offset):
    upload = open_upload(api, content_of()).json()["id"]

    assert refusal(send(api, upload, offset, b"\x08")) == (400, "invalid_input")


def test_the_same_bytes_go_on_where_they_stopped_whoever_asks_again(api):
    content = content_of()
    first = open_upload(api, content).json()
    send(api, first["id"], 0, content[:1200])

    again = open_upload(api, content, file_name="renamed.onnx").json()

    assert (again["id"], again["offset"], again["file_name"]) == (
        first["id"],
        1200,
        "renamed.onnx",
    )


def test_bytes_that_are_an_artifact_already_need_not_come_again(api):
    make.a_model("digits")
    content = content_of()
    upload = uploaded(api, content)
    api.post("models/digits/versions", upload=upload, manifest=make.a_manifest())

    again = open_upload(api, content).json()
    repeated = send(api, upload, 0, content)

    assert (again["id"], again["offset"]) == (upload, 3000)
    assert refusal(repeated) == (409, "offset_mismatch")
    assert repeated.headers["Upload-Offset"] == "3000"


def test_nobody_sees_the_upload_of_another(api):
    content = content_of()
    upload = uploaded(api, content)
    make.a_model("digits")
    other = Api("read", "write")

    assert refusal(other.get(f"uploads/{upload}")) == (404, "unknown_upload")
    assert refusal(send(other, upload, 3000, b"")) == (404, "unknown_upload")
    assert open_upload(other, content).json()["offset"] == 0
    used = other.post("models/digits/versions", upload=upload, manifest=make.a_manifest())
    assert refusal(used) == (404, "unknown_upload")


def test_an_upload_that_is_not_whole_is_not_used(api):
    make.a_model("digits")
    content = content_of()
    upload = open_upload(api, content).json()["id"]
    send(api, upload, 0, content[:-1])

    response = api.post("models/digits/versions", upload=upload, manifest=make.a_manifest())

    assert refusal(response) == (409, "upload_incomplete")
    assert offset_of(api, upload) == 2999


def test_bytes_that_are_not_the_announced_ones_are_discarded(api):
    make.a_model("digits")
    content = content_of()
    upload = open_upload(api, content).json()["id"]
    send(api, upload, 0, content[:-1] + b"x")

    response = api.post("models/digits/versions", upload=upload, manifest=make.a_manifest())

    assert refusal(response) == (400, "digest_mismatch")
    assert not ModelVersion.objects.exists()
    assert not file_of(upload).exists()
    assert refusal(api.get(f"uploads/{upload}")) == (404, "unknown_upload")
    assert open_upload(api, content).json()["offset"] == 0


def test_the_digest_of_the_creating_request_is_held_to_as_well(api):
    make.a_model("digits")
    upload = uploaded(api, content_of())

    response = api.post(
        "models/digits/versions", upload=upload, manifest=make.a_manifest(), sha256="0" * 64
    )

    assert refusal(response) == (400, "digest_mismatch")
    assert not ModelVersion.objects.exists()


def test_a_table_is_no_model(api):
    make.a_model("digits")
    upload = uploaded(api, content_of(kind="table"), kind="table")

    response = api.post("models/digits/versions", upload=upload, manifest=make.a_manifest())

    assert refusal(response) == (400, "wrong_upload_kind")


def test_a_file_and_an_upload_are_one_too_many(api):
    make.a_model("digits")
    upload = uploaded(api, content_of())

    response = api.upload(
        "models/digits/versions", make.model_bytes(), upload=upload, manifest=make.a_manifest()
    )

    assert refusal(response) == (400, "invalid_input")


def test_a_wrong_beginning_is_refused_with_the_first_piece(api):
    content = b"\x80\x04pickle" + bytes(3000)
    upload = open_upload(api, content).json()["id"]

    assert refusal(send(api, upload, 0, content[:1000])) == (400, "wrong_file_type")
    assert offset_of(api, upload) == 0


def test_a_wrong_beginning_in_a_tiny_piece_is_refused_in_the_end(api):
    make.a_model("digits")
    content = b"\x80\x04pickle" + bytes(20)
    upload = open_upload(api, content).json()["id"]
    send(api, upload, 0, content[:3])
    send(api, upload, 3, content[3:])

    response = api.post("models/digits/versions", upload=upload, manifest=make.a_manifest())

    assert refusal(response) == (400, "wrong_file_type")
    assert not Artifact.objects.exists()


def test_more_than_was_announced_is_refused_and_not_kept(api):
    content = content_of()
    upload = open_upload(api, content).json()["id"]
    send(api, upload, 0, content[:2000])

    assert refusal(send(api, upload, 2000, bytes(1001))) == (413, "upload_too_large")
    assert offset_of(api, upload) == 2000


def test_an_upload_above_the_limit_is_not_even_opened(api, settings):
    settings.MAX_UPLOAD_BYTES = 2999

    assert refusal(open_upload(api, content_of(3000))) == (413, "upload_too_large")
    assert not UploadSession.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [{"size_bytes": 0}, {"sha256": "abc"}, {"kind": "pickle"}, {"file_name": "x" * 256}],
)
def test_what_is_announced_has_a_form(api, changes):
    assert refusal(open_upload(api, content_of(), **changes)) == (400, "invalid_input")


def test_what_came_before_the_client_hung_up_is_kept(api):
    content = content_of()
    upload = open_upload(api, content).json()["id"]

    response = api._client.generic(
        "PATCH",
        f"/api/v1/uploads/{upload}",
        headers=api.headers | {"Upload-Offset": "0"},
        **{
            "wsgi.input": io.BytesIO(content[:700]),
            "CONTENT_LENGTH": "3000",
            "CONTENT_TYPE": "application/octet-stream",
        },
    )

    assert refusal(response) == (400, "upload_truncated")
    assert offset_of(api, upload) == 700
    assert file_of(upload).read_bytes() == content[:700]


def test_the_offset_is_noted_only_after_the_bytes_were_synced(api, monkeypatch):
    content = content_of()
    upload = open_upload(api, content).json()["id"]
    seen = []

    def fsync(handle):
        if os.fstat(handle).st_size == 1000:
            seen.append(UploadSession.objects.get().offset)

    monkeypatch.setattr(incoming.os, "fsync", fsync)
    send(api, upload, 0, content[:1000])

    assert seen == [0]
    assert UploadSession.objects.get().offset == 1000


def test_bytes_that_were_never_answered_are_cut_off(api):
    """As after a kill in the middle of a piece: the file is ahead of the row."""
    content = content_of()
    upload = open_upload(api, content).json()["id"]
    send(api, upload, 0, content[:1000])
    with file_of(upload).open("ab") as file:
        file.write(b"torn" * 1000)

    assert offset_of(api, upload) == 1000
    assert send(api, upload, 1000, content[1000:]).json()["offset"] == 3000
    assert file_of(upload).read_bytes() == content


def test_a_file_that_was_lost_is_sent_again(api):
    content = content_of()
    upload = open_upload(api, content).json()["id"]
    send(api, upload, 0, content[:1000])
    file_of(upload).unlink()

    refused = send(api, upload, 1000, content[1000:])

    assert refusal(refused) == (409, "offset_mismatch")
    assert refused.headers["Upload-Offset"] == "0"
    assert send(api, upload, 0, content).json()["offset"] == 3000


def test_a_second_writer_is_told_that_the_upload_is_busy(api):
    make.a_model("digits")
    content = content_of()
    upload = uploaded(api, content)

    with file_of(upload).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        written = send(api, upload, 3000, b"")
        used = api.post("models/digits/versions", upload=upload, manifest=make.a_manifest())

    assert refusal(written) == (409, "upload_busy")
    assert refusal(used) == (409, "upload_busy")


def test_a_full_disk_is_named_and_what_fitted_is_kept(api, monkeypatch):
    content = content_of()
    upload = open_upload(api, content).json()["id"]
    send(api, upload, 0, content[:1000])

    def refuse(file, chunk):
        file.write(chunk[:500])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(incoming, "_write_all", refuse)

    assert refusal(send(api, upload, 1000, content[1000:])) == (507, "storage_full")
    assert offset_of(api, upload) == 1500


def test_a_repeated_creating_request_is_one_version_even_with_another_upload(api):
    make.a_model("digits")
    content, key = content_of(), {"Idempotency-Key": "push"}
    manifest = make.a_manifest()
    first = uploaded(api, content)
    made = api.post("models/digits/versions", key, upload=first, manifest=manifest)
    UploadSession.objects.all().delete()
    second = uploaded(api, content)

    again = api.post("models/digits/versions", key, upload=second, manifest=manifest)
    other = api.post(
        "models/digits/versions", key, upload=uploaded(api, content_of()), manifest=manifest
    )

    assert first != second
    assert again.json() == made.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert refusal(other) == (422, "idempotency_key_reused")
    assert ModelVersion.objects.count() == 1


def test_the_sweep_removes_what_nobody_touched_for_a_day_and_nothing_else(api):
    old, young = (open_upload(api, content_of()).json()["id"] for _ in range(2))
    for upload in (old, young):
        send(api, upload, 0, content_of()[:1000])
    UploadSession.objects.filter(pk=old).update(touched_at=timezone.now() - timedelta(hours=25))
    orphan, fresh = file_of("orphan"), file_of("fresh")
    for path in (orphan, fresh):
        path.write_bytes(b"x")
    long_ago = (timezone.now() - timedelta(hours=25)).timestamp()
    os.utime(orphan, (long_ago, long_ago))
    os.utime(file_of(young), (long_ago, long_ago))

    incoming.sweep(timezone.now())

    assert [session.pk for session in UploadSession.objects.all()] == [young]
    assert file_of(young).exists()
    assert fresh.exists()
    assert not orphan.exists()
    assert not file_of(old).exists()
    fresh.unlink()


def test_the_sweep_leaves_an_upload_alone_that_is_being_written(api):
    upload = open_upload(api, content_of()).json()["id"]
    send(api, upload, 0, content_of()[:1000])
    UploadSession.objects.update(touched_at=timezone.now() - timedelta(hours=25))

    with file_of(upload).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        incoming.sweep(timezone.now())

    assert UploadSession.objects.filter(pk=upload).exists()
    assert file_of(upload).exists()


def test_the_sweeping_task_sweeps_uploads(api):
    from workers.tasks.sweep import sweep

    open_upload(api, content_of())
    UploadSession.objects.update(touched_at=timezone.now() - timedelta(hours=25))

    sweep()

    assert not UploadSession.objects.exists()


@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_breaks_keeps_what_came(live_server):
    api = Api("read", "write")
    content = content_of(200_000)
    upload = open_upload(api, content).json()["id"]
    head = (
        f"PATCH /api/v1/uploads/{upload} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: {api.headers['Authorization']}\r\nUpload-Offset: 0\r\n"
        "Content-Type: application/octet-stream\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    ).encode()
    address = urlsplit(live_server.url)

    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(head + content[:100_000])
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert b"upload_truncated" in answer
    wait_until(lambda: offset_of(api, upload) == 100_000, what="the offset")
    assert send(api, upload, 100_000, content[100_000:]).json()["offset"] == 200_000
