"""``manage.py export_ledger FILE``: write every entry, one JSON object a line."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from registry.audit.chain import canonical
from registry.audit.selectors import export


class Command(BaseCommand):
    help = "Export the ledger as JSON lines, for the offline verifier."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        with options["file"].open("w", encoding="utf-8") as lines:
            for entry in export():
                lines.write(canonical(entry) + "\n")
