"""System checks: contradictions in the settings, and the walls that the database must hold."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connection

from registry.core.guards import all_guards, install_guards, missing_guards
from registry.core.immutable import WrittenOnce, install_triggers, missing_triggers


def written_once_tables() -> list[str]:
    """Return the tables whose rows are written once."""
    return [m._meta.db_table for m in apps.get_models() if issubclass(m, WrittenOnce)]


def put_triggers_in_place() -> list[str]:
    """(Re)create every trigger whose tables are there; return the tables that are written once."""
    tables = set(connection.introspection.table_names())
    written_once = [table for table in written_once_tables() if table in tables]
    install_triggers(written_once)
    install_guards(all_guards())
    return written_once


@register(Tags.database)
def triggers_are_installed(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Tables that are written once carry their triggers, and each guard stands."""
    if not databases:
        return []
    tables = set(connection.introspection.table_names())
    wanted = [table for table in written_once_tables() if table in tables]
    return [
        Error(
            f"trigger {name} is missing",
            hint="Run: manage.py install_triggers",
            id="registry.E001",
        )
        for name in missing_triggers(wanted) + missing_guards(all_guards())
    ]


@register(deploy=True)
def broker_fits_database(**kwargs: Any) -> list[CheckMessage]:
    """A database server with the one-machine broker is a mixture that nobody meant."""
    files = settings.CELERY_BROKER_URL.startswith("registry-files")
    if files and connection.vendor == "postgresql":
        return [
            Warning(
                "PostgreSQL is used with the one-machine broker",
                hint="Set CELERY_BROKER_URL to a Redis server.",
                id="registry.W001",
            )
        ]
    return []
