"""The ledger over HTTP: list, export that verifies offline, verification on the server."""

import json
import subprocess
import sys

import pytest
from django.db import connection

from registry.audit import chain
from registry.audit.models import LedgerEntry
from tests.builders import registry as make


@pytest.fixture
def entries(db):
    make.a_promoted_upgrade(make.an_alias(make.a_model("digits")))
    return list(LedgerEntry.objects.order_by("-seq"))


def test_entries_are_listed_newest_first_as_their_hash_covers_them(api, entries):
    listed = api.get("ledger").json()["results"]

    newest = list(LedgerEntry.objects.order_by("-seq"))
    assert [one["seq"] for one in listed] == [one.seq for one in newest]
    assert all(chain.entry_hash(one) == one["hash"] for one in listed)


def test_entries_are_narrowed(api, entries):
    def seqs(**filters):
        return [one["seq"] for one in api.get("ledger", **filters).json()["results"]]

    promoted = next(one for one in entries if one.action == "upgrade.promote")
    assert seqs(action="upgrade.promote") == [promoted.seq]
    assert seqs(subject=promoted.subject, actor=promoted.actor, action=promoted.action) == [
        promoted.seq
    ]
    assert seqs(subject="upgrade:0") == []
    assert len(seqs(actor="registry")) == sum(one.actor == "registry" for one in entries)


def test_the_export_is_what_the_offline_verifier_verifies(api, entries, tmp_path):
    head = api.get("ledger/verify").json()
    response = api.get("ledger/export")
    export = tmp_path / "ledger.jsonl"
    export.write_bytes(b"".join(response.streaming_content))

    command = [sys.executable, "-I", chain.__file__, str(export)]
    done = subprocess.run(
        [*command, "--head", f"{head['seq']}:{head['hash']}"], capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert response.headers["Content-Disposition"] == 'attachment; filename="ledger.jsonl"'
    assert head["verified"] is True
    assert f"verified {head['seq']} entries" in done.stdout


def test_a_changed_export_does_not_verify(api, entries, tmp_path):
    lines = b"".join(api.get("ledger/export").streaming_content).decode().splitlines()
    changed = json.loads(lines[2]) | {"actor": "nobody"}
    export = tmp_path / "ledger.jsonl"
    export.write_text("\n".join([*lines[:2], json.dumps(changed), *lines[3:]]))

    assert chain.main([str(export)]) == 1


def test_an_entry_that_was_changed_in_the_database_is_found(api, entries):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE audit_ledgerentry SET actor = 'nobody' WHERE seq = 2")

    found = api.get("ledger/verify").json()

    assert (found["verified"], found["seq"], found["hash"]) == (False, None, None)
    assert "entry 2" in found["detail"]


def test_the_export_is_streamed_entry_by_entry(api, entries):
    response = api.get("ledger/export")

    assert response.streaming
    assert len(list(response.streaming_content)) == LedgerEntry.objects.count()
