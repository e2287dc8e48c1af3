"""The ledger: filters, older entries, verification, an export that verifies offline."""

import json

from django.db import connection

from registry.audit.chain import verify
from registry.audit.models import LedgerEntry
from registry.audit.services.record import record
from tests.builders import registry as make
from tests.registry.web.conftest import text_of


def some(count, action="model.register", subject="model:m"):
    for _ in range(count):
        record(actor="ann", action=action, subject=subject, note="n")


def test_entries_are_filtered_by_subject_action_and_actor(pages):
    some(2)
    some(1, action="token.issue", subject="token:x")

    def seqs(**query):
        return [e.seq for e in pages.get("/ledger/", query).context["rows"]]

    assert seqs() == [3, 2, 1]
    assert seqs(subject="model:m") == [2, 1]
    assert seqs(action="token.issue") == [3]
    assert seqs(actor="nobody") == []


def test_older_entries_follow_without_gap_or_overlap(pages):
    some(120)

    seen, query = [], {}
    while True:
        context = pages.get("/ledger/", query).context
        seen += [e.seq for e in context["rows"]]
        if context["older"] is None:
            break
        query = {"before": str(context["older"])}

    assert seen == list(range(120, 0, -1))


def test_a_nonsensical_place_is_the_beginning(pages):
    some(2)

    for before in ("x", "-1", "9" * 40, "²"):
        assert len(pages.get("/ledger/", {"before": before}).context["rows"]) == 2


def test_an_entry_shows_its_body_and_its_hashes(pages):
    some(2)
    entry = LedgerEntry.objects.get(seq=2)

    words = text_of(pages.get("/ledger/2/"))

    assert entry.hash in words
    assert entry.previous_hash in words
    assert "&quot;note&quot;: &quot;n&quot;" in words


def test_a_refusal_is_marked(pages):
    record(actor="ann", action="upgrade.promote", subject="upgrade:1", refused="verdict_stale")

    assert "verdict_stale" in text_of(pages.get("/ledger/1/"))
    assert "refused" in text_of(pages.get("/ledger/"))


def test_verifying_says_the_head(pages):
    some(3)

    words = text_of(pages.post("/ledger/verify/", follow=True))

    assert f"Verified 3 entries; the head is 3:{LedgerEntry.objects.get(seq=3).hash}" in words


def test_verifying_finds_a_changed_entry(pages):
    some(3)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE audit_ledgerentry SET actor = 'eve' WHERE seq = 2")
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")

    words = text_of(pages.post("/ledger/verify/", follow=True))

    assert "entry 2 was changed" in words
    assert "chain_broken" in words


def test_the_export_verifies_offline(pages):
    make.a_promoted_upgrade()

    response = pages.get("/ledger/export/")
    lines = b"".join(response.streaming_content).decode().splitlines()

    last = LedgerEntry.objects.order_by("seq").last()
    assert "attachment" in response.headers["Content-Disposition"]
    assert verify(json.loads(line) for line in lines) == (last.seq, last.hash)


def test_subjects_lead_to_what_they_name(pages):
    upgrade = make.a_promoted_upgrade(make.an_alias(make.a_model("m")))
    paths = {
        entry.subject: entry for entry in LedgerEntry.objects.exclude(subject__startswith="token")
    }

    body = pages.get("/ledger/").content.decode()

    assert f'href="/upgrades/{upgrade.pk}/"' in body
    assert 'href="/models/m/versions/1/"' in body
    for subject in paths:
        assert subject in body
