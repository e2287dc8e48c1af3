"""``manage.py migrate``: Django's, with the triggers of this registry in place when it ends."""

from typing import Any

from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS

from registry.core.checks import put_triggers_in_place
from registry.core.guards import all_guards, drop_guards


class Command(migrate.Command):
    def execute(self, *args: Any, **options: Any) -> Any:
        """Do as Django's, on a database that an older release made too.

        Such a one lacks the triggers that came since, which the check before the first step would
        take for a fault.
        """
        if options["database"] == DEFAULT_DB_ALIAS:  # the database of vectors has no triggers
            put_triggers_in_place()
        return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["database"] != DEFAULT_DB_ALIAS:
            super().handle(*args, **options)
            return
        drop_guards(all_guards())
        try:
            super().handle(*args, **options)
        finally:
            put_triggers_in_place()
