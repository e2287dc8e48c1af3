"""``manage.py install_triggers``: (re)create the triggers that the database must hold."""

from typing import Any

from django.core.management.base import BaseCommand

from registry.core.checks import put_triggers_in_place


class Command(BaseCommand):
    help = "Recreate the triggers that refuse changes to written rows and broken live pointers."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        tables = put_triggers_in_place()
        self.stdout.write(f"triggers in place on {', '.join(tables)}")
