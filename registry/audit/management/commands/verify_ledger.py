"""``manage.py verify_ledger``: walk the chain; exit 1 when it does not hold."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from registry.audit.chain import ChainError
from registry.audit.selectors import verified_head


class Command(BaseCommand):
    help = "Verify the hash chain of the ledger."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            seq, last = verified_head()
        except ChainError as exc:
            raise CommandError(f"NOT VERIFIED: {exc}") from exc
        self.stdout.write(f"verified {seq} entries, head {seq}:{last}")
