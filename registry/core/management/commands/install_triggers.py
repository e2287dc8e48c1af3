"""``manage.py install_triggers``: (re)create the triggers on tables that are written once."""

from typing import Any

from django.core.management.base import BaseCommand

from registry.core.checks import written_once_tables
from registry.core.immutable import install_triggers


class Command(BaseCommand):
    help = "Recreate the triggers that refuse changes to tables that are written once."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        tables = written_once_tables()
        install_triggers(tables)
        self.stdout.write(f"triggers in place on {', '.join(tables)}")
