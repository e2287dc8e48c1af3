"""The ledger is append-only, chained, and verifies offline with the standard library alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from registry.audit import chain, selectors
from registry.audit.chain import ChainError
from registry.audit.models import LedgerEntry, LedgerHead
from registry.audit.services.record import record
from registry.core.immutable import ImmutableRowError

pytestmark = pytest.mark.django_db


def some_entries(count=3):
    return [
        record(actor="ann", action="test.act", subject=f"thing:{i}", number=i, text="ü ✓ 1e22")
        for i in range(count)
    ]


def an_export(folder: Path) -> Path:
    path = folder / "ledger.jsonl"
    call_command("export_ledger", str(path))
    return path


def verify_offline(path: Path, *options: str) -> subprocess.CompletedProcess:
    """Run the verifier as an auditor would: isolated, away from the project."""
    command = [sys.executable, "-I", "-S", chain.__file__, str(path), *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=path.parent)


def test_each_entry_carries_the_hash_of_the_one_before_it():
    first, second, third = some_entries()

    assert first.previous_hash == chain.GENESIS
    assert second.previous_hash == first.hash
    assert third.previous_hash == second.hash
    assert selectors.verified_head() == (3, third.hash)


def test_an_empty_ledger_verifies():
    assert selectors.verified_head() == (0, chain.GENESIS)


@pytest.mark.parametrize("statement", ["UPDATE {t} SET actor = 'eve'", "DELETE FROM {t}"])
def test_the_database_refuses_to_change_or_remove_entries(statement):
    some_entries()

    with pytest.raises(DatabaseError, match="written once"), transaction.atomic():
        connection.cursor().execute(statement.format(t=LedgerEntry._meta.db_table))

    assert LedgerEntry.objects.filter(actor="ann").count() == 3


def test_postgres_refuses_to_truncate_the_ledger():
    some_entries()

    with pytest.raises(DatabaseError, match="written once"), transaction.atomic():
        connection.cursor().execute(f"TRUNCATE {LedgerEntry._meta.db_table}")


def test_our_own_code_cannot_save_or_delete_an_entry():
    entry = some_entries(1)[0]

    with pytest.raises(ImmutableRowError):
        entry.save()
    with pytest.raises(ImmutableRowError):
        entry.delete()


@pytest.fixture
def unguarded():
    """Play the database's superuser, whom no trigger stops."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield cursor
        cursor.execute("SET session_replication_role = DEFAULT")


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE audit_ledgerentry SET body_json = '{}' WHERE seq = 2",
        "UPDATE audit_ledgerentry SET actor = 'eve' WHERE seq = 2",
        "UPDATE audit_ledgerentry SET at = at + interval '1 second' WHERE seq = 2",
        "DELETE FROM audit_ledgerentry WHERE seq = 2",
        "DELETE FROM audit_ledgerentry WHERE seq = 3",
        "DELETE FROM audit_ledgerentry",
        "UPDATE audit_ledgerentry SET seq = seq + 10 WHERE seq = 3",
        "UPDATE audit_ledgerhead SET seq = 2",
    ],
)
def test_verification_finds_what_a_superuser_changed(unguarded, tampering):
    some_entries()

    unguarded.execute(tampering)

    with pytest.raises(ChainError):
        selectors.verified_head()
    with pytest.raises(CommandError, match="NOT VERIFIED"):
        call_command("verify_ledger")


def test_an_export_verifies_offline_with_the_standard_library_alone(tmp_path):
    last = some_entries()[-1]

    done = verify_offline(an_export(tmp_path), "--head", f"3:{last.hash}")

    assert done.returncode == 0, done.stderr
    assert f"head 3:{last.hash}" in done.stdout


def edit_one_line(lines):
    entry = json.loads(lines[1])
    entry["body"]["number"] = 99
    return [lines[0], json.dumps(entry), lines[2]]


@pytest.mark.parametrize(
    "tamper",
    [
        edit_one_line,
        lambda lines: [lines[0], lines[2]],
        lambda lines: [lines[1], lines[0], lines[2]],
        lambda lines: [*lines, lines[2]],
        lambda lines: [*lines, "not json"],
        lambda lines: [*lines, "[]"],
        lambda lines: [*lines[:2], lines[2].replace('"seq":3', '"seq":3,"extra":1')],
    ],
    ids=["edit", "remove", "reorder", "repeat", "garbage", "no object", "extra field"],
)
def test_a_tampered_export_makes_the_offline_verifier_exit_1(tmp_path, tamper):
    some_entries()
    path = an_export(tmp_path)
    lines = path.read_text().splitlines()

    path.write_text("\n".join(tamper(lines)))

    done = verify_offline(path)
    assert done.returncode == 1
    assert "NOT VERIFIED" in done.stderr


def test_a_shortened_export_is_found_by_the_head_that_was_noted(tmp_path):
    last = some_entries()[-1]
    path = an_export(tmp_path)
    path.write_text("\n".join(path.read_text().splitlines()[:2]))

    assert verify_offline(path).returncode == 0
    assert verify_offline(path, "--head", f"3:{last.hash}").returncode == 1


def test_entries_of_a_transaction_that_rolls_back_are_not_there():
    some_entries(1)

    with transaction.atomic():
        record(actor="ann", action="test.act", subject="thing:9")
        transaction.set_rollback(True)

    assert selectors.verified_head()[0] == 1
    assert LedgerHead.objects.get().seq == 1
