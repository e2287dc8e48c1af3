"""``manage.py migrate``: Django's, with the triggers of this registry in place when it ends."""

from typing import Any

from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS

from registry.core.checks import put_triggers_in_place
from registry.core.guards import all_guards, drop_guards


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        if options["database"] != DEFAULT_DB_ALIAS:  # the database of vectors has no triggers
            super().handle(*args, **options)
            return
        drop_guards(all_guards())
        try:
            super().handle(*args, **options)
        finally:
            put_triggers_in_place()
