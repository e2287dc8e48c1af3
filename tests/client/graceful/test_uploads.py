"""A file goes in pieces, and goes on where it stopped, whatever happened in between."""

import hashlib
import io
import json
import threading

import httpx
import pytest
from graceful import Client, GracefulError, RefusedError, UnreachableError, UsageError
from graceful.access import Access
from graceful.commands.progress import Transfer
from graceful.transport import Transport
from graceful.uploads import PATIENCE, send_file

from registry.api.incoming import session_of
from registry.api.models import UploadSession
from registry.catalog.models import Artifact, ModelVersion
from registry.upgrades.models import Upgrade
from tests.builders import registry as make

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]

PIECE = 1000


class Trouble(Transport):
    """A way to the live server on which named requests are lost, before or after they arrive."""

    def __init__(self, access, *, lost_before=(), lost_after=()):
        super().__init__(access, attempts=3, sleep=lambda _: None)
        self.pieces = 0
        self.lost_before, self.lost_after = set(lost_before), set(lost_after)
        self.sent = []

    def json(self, method, path, **request):
        if method != "PATCH":
            return super().json(method, path, **request)
        self.pieces += 1
        if self.pieces in self.lost_before:
            raise UnreachableError("cut before it arrived")
        answer = super().json(method, path, **request)
        self.sent.append((int(request["headers"]["Upload-Offset"]), len(request["content"])))
        if self.pieces in self.lost_after:
            raise UnreachableError("cut before the answer came")
        return answer


@pytest.fixture
def way(registry):
    ways = []

    def open_way(**trouble):
        ways.append(Trouble(Access(registry.url, registry.transport.access.token), **trouble))
        return ways[-1]

    yield open_way
    for one in ways:
        one.close()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(make.model_bytes() + bytes(4500))
    return path


def send(transport, file, **options):
    return send_file(transport, file, "model", piece_bytes=PIECE, **options)


def test_every_piece_is_sent_once(way, file, owner):
    transport = way()

    sent = send(transport, file)

    size = file.stat().st_size
    assert transport.sent == [(i, min(PIECE, size - i)) for i in range(0, size, PIECE)]
    assert sent.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert session_of(owner, sent.id).offset == size


@pytest.mark.parametrize("trouble", [{"lost_before": {2}}, {"lost_before": {1, 2, 3, 6}}])
def test_a_piece_that_never_arrived_is_sent_again(way, file, trouble):
    transport = way(**trouble)

    send(transport, file)

    assert [offset for offset, _ in transport.sent] == [0, 1000, 2000, 3000, 4000]


def test_a_piece_whose_answer_was_lost_is_not_sent_again(way, file):
    transport = way(lost_after={2, 3})

    send(transport, file)

    assert [offset for offset, _ in transport.sent] == [0, 1000, 2000, 3000, 4000]


def test_another_attempt_goes_on_where_the_first_gave_up(way, file):
    first = way(lost_before=range(3, 100))
    with pytest.raises(UnreachableError):
        send(first, file)
    assert first.pieces == 2 + PATIENCE + 1

    second = way()
    send(second, file)

    assert [offset for offset, _ in second.sent] == [2000, 3000, 4000]
    assert UploadSession.objects.count() == 1


def test_several_at_once_send_one_file_together(way, file, registry):
    make.a_model("digits")
    start, sent, troubles = threading.Barrier(4), [], []

    def push():
        transport = way()
        start.wait()
        try:
            sent.append(send(transport, file))
        except GracefulError as exc:
            troubles.append(exc)

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert troubles == []
    assert len(set(sent)) == 1
    registered = registry.push("digits", file, make.a_manifest())
    assert registered["version"]["artifact"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_an_upload_that_the_registry_removed_meanwhile_is_named(way, file):
    transport = way(lost_before={2})
    ask = transport.wait
    transport.wait = lambda attempt: (UploadSession.objects.all().delete(), ask(attempt))

    with pytest.raises(RefusedError) as caught:
        send(transport, file)

    assert caught.value.code == "unknown_upload"


def test_what_the_registry_does_not_take_is_not_tried_again(way, file):
    file.write_bytes(b"\x80\x04pickle" + bytes(4000))
    transport = way()

    with pytest.raises(RefusedError) as caught:
        send(transport, file)

    assert caught.value.code == "wrong_file_type"
    assert transport.pieces == 1


def test_a_file_that_is_empty_gone_or_shorter_meanwhile_is_named(way, file, tmp_path):
    empty = tmp_path / "empty.onnx"
    empty.write_bytes(b"")

    for path, code in ((empty, "empty_upload"), (tmp_path / "gone.onnx", "unreadable")):
        with pytest.raises(UsageError) as caught:
            send(way(), path)
        assert caught.value.code == code

    def cut(what, done, total):
        if what == "sending" and done == 2000:
            file.write_bytes(file.read_bytes()[:1500])

    with pytest.raises(UsageError) as caught:
        send(way(), file, progress=cut)
    assert caught.value.code == "file_changed"


def test_progress_is_told_for_reading_and_for_sending(way, file):
    told = []
    send(way(), file, progress=lambda *about: told.append(about))

    size = file.stat().st_size
    assert told[0] == ("reading", size, size)
    assert [done for what, done, _ in told if what == "sending"] == [
        0, 1000, 2000, 3000, 4000, size,
    ]  # fmt: skip


def test_a_log_gets_a_line_a_tenth_and_a_terminal_gets_a_bar():
    log, terminal = io.StringIO(), io.StringIO()
    terminal.isatty = lambda: True
    to_log, to_terminal = Transfer(log), Transfer(terminal)
    for done in range(0, 1001):
        to_log("sending", done, 1000)
        to_terminal("sending", done, 1000)

    assert len(log.getvalue().splitlines()) == 11
    assert terminal.getvalue().count("\n") == 1
    assert terminal.getvalue().endswith("100 %  0.0 MiB of 0.0 MiB\n")


def test_pushing_the_same_again_is_the_same_version(registry, file):
    make.a_model("digits")
    manifest = make.a_manifest()

    first = registry.push("digits", file, manifest)
    renamed = file.rename(file.with_name("again.onnx"))
    second = registry.push("digits", renamed, manifest)
    UploadSession.objects.all().delete()
    third = registry.push("digits", renamed, manifest)

    assert first == second == third
    assert first["version"]["version"] == "digits:1"
    assert first["version"]["file_name"] == "net.onnx"
    assert ModelVersion.objects.count() == Upgrade.objects.count() == Artifact.objects.count() == 1


def test_pushing_the_same_for_another_purpose_is_not_the_same(registry, file):
    make.a_model("digits")
    registry.push("digits", file, make.a_manifest())

    with pytest.raises(RefusedError) as caught:
        registry.push("digits", file, make.a_manifest(), card="# another card")

    assert caught.value.code == "duplicate_version"


def test_an_answer_that_was_lost_is_one_version(registry, file, monkeypatch):
    make.a_model("digits")
    request, lost = registry.transport._http.request, []

    def lose_the_first_answer(method, path, **given):
        response = request(method, path, **given)
        if path.endswith("/versions") and not lost:
            lost.append(response)
            raise httpx.ReadError("connection reset")
        return response

    monkeypatch.setattr(registry.transport._http, "request", lose_the_first_answer)
    monkeypatch.setattr(registry.transport, "_sleep", lambda _: None)

    registered = registry.push("digits", file, make.a_manifest())

    assert lost[0].status_code == 201
    assert registered["version"]["version"] == "digits:1"
    assert ModelVersion.objects.count() == 1


def test_a_version_of_recorded_outputs_has_no_file(registry):
    make.a_model("digits")

    registered = registry.push("digits", None, make.a_manifest(recorded=True))

    assert registered["version"]["artifact"] is None
    assert not UploadSession.objects.exists()


def test_an_evaluation_set_is_pushed_the_same_way(registry, tmp_path):
    path = tmp_path / "digits.npz"
    path.write_bytes(make.table_bytes())

    first = registry.push_evaluation_set("digits", path, "classification")
    again = registry.push_evaluation_set("digits", path, "classification")

    assert first == again
    assert (first["revision"], first["file_name"]) == ("digits:1", "digits.npz")
    assert registry.set_revision("digits", 1)["state"] == "inspecting"


def test_an_artifact_comes_back_as_it_was(registry, file, tmp_path):
    make.a_model("digits")
    registry.push("digits", file, make.a_manifest())

    registry.download("digits", 1, tmp_path / "back.onnx")

    assert (tmp_path / "back.onnx").read_bytes() == file.read_bytes()


def test_a_download_that_is_refused_leaves_nothing(registry, tmp_path):
    make.a_model("digits")

    with pytest.raises(RefusedError) as caught:
        registry.download("digits", 1, tmp_path / "back.onnx")

    assert caught.value.code == "unknown_version"
    assert list(tmp_path.glob("back*")) == []


def test_a_token_that_may_not_write_is_told_so_before_a_byte_is_sent(registry, live_server, file):
    with (
        Client(live_server.url, make.a_token(scopes=["read"])[1]) as reader,
        pytest.raises(RefusedError) as caught,
    ):
        reader.push("digits", file, json.loads("{}"))

    assert caught.value.code == "missing_scope"
