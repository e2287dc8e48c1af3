"""The ledger from the command line, and what a program iterates."""

import pytest

from registry.audit.models import LedgerEntry
from tests.builders import registry as make

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]


def test_the_ledger_is_verified_by_the_registry_and_offline(run, alias, tmp_path):
    export = tmp_path / "ledger.jsonl"
    make.a_promoted_upgrade(alias)

    online = run("ledger", "verify")
    made = run("ledger", "export", export)
    offline = run("ledger", "verify", export)
    head = online.stdout.rpartition(" ")[2].strip()
    with_head = run("ledger", "verify", export, "--head", head)

    assert [r.exit_code for r in (online, made, offline, with_head)] == [0, 0, 0, 0]
    assert online.stdout == offline.stdout
    lines = export.read_text().splitlines(keepends=True)
    export.write_text("".join(lines[:-1]))
    assert run("ledger", "verify", export).exit_code == 0
    assert run("ledger", "verify", export, "--head", head).exit_code == 1
    export.write_text("".join(lines[:2] + lines[3:]))
    broken = run("ledger", "verify", export)
    assert broken.exit_code == 1
    assert "NOT VERIFIED" in broken.stderr
    assert run("ledger", "verify", "--head", head).exit_code == 2


def test_a_ledger_that_was_changed_is_found_by_the_registry(run, alias, monkeypatch):
    from registry.audit.chain import ChainError

    def broken():
        raise ChainError("entry 2 was changed")

    monkeypatch.setattr("registry.api.ledger.verified_head", broken)

    result = run("ledger", "verify")

    assert result.exit_code == 1
    assert "entry 2 was changed" in result.stderr


def test_events_and_entries_are_iterated(registry, alias):
    make.a_promoted_upgrade(alias)

    events, entries = list(registry.events()), list(registry.ledger(action="upgrade.promote"))

    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    assert "alias.moved" in {event["kind"] for event in events}
    assert len(entries) == LedgerEntry.objects.filter(action="upgrade.promote").count() == 1
