"""The ledger: append-only entries, each carrying the hash of the one before it."""

import json
from typing import Any

from django.db import models

from registry.core.immutable import WrittenOnce


class LedgerEntry(WrittenOnce):
    """One act, or one refusal."""

    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    action = models.CharField(max_length=64, db_index=True)
    subject = models.CharField(max_length=200, db_index=True)
    body_json = models.TextField()
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["seq"]

    def __str__(self) -> str:
        return f"{self.seq} {self.action} {self.subject}"

    @property
    def body(self) -> dict[str, Any]:
        """What the entry says; kept as text, because a database may rewrite JSON numbers."""
        return json.loads(self.body_json)


class LedgerHead(models.Model):
    """The one row that is locked to append: the last entry's number and hash."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    seq = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64, default="0" * 64)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="ledger_has_one_head")]

    def __str__(self) -> str:
        return f"{self.seq} {self.hash}"
