"""Guards: triggers that refuse an UPDATE which breaks a promise over the rows of several tables.

An application lists its guards in its configuration (``AppConfig.guards``). They are no part of a
migration: while a trigger names a table, SQLite cannot rebuild it. ``manage.py migrate`` takes them
away before its first step and puts them back after its last.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.apps import apps
from django.db import connection

DIFFERS = {"postgresql": "IS DISTINCT FROM", "sqlite": "IS NOT"}
"""How each database compares what may be NULL; ``{differs}`` in the conditions of a guard."""


@dataclass(frozen=True)
class Guard:
    """One trigger before each UPDATE of a table.

    Attributes:
        name: of the trigger, and of its function on PostgreSQL.
        reads: the tables beside its own that its conditions read.
        when: the UPDATE is looked at only where this holds, in terms of OLD and NEW.
        refusals: by message, what must not hold then.
    """

    name: str
    table: str
    reads: tuple[str, ...]
    when: str
    refusals: Mapping[str, str]

    def statements(self) -> list[str]:
        """Return what creates the trigger on the database of this process."""
        when = self.when.format(differs=DIFFERS[connection.vendor])
        refusals = {
            message: condition.format(differs=DIFFERS[connection.vendor])
            for message, condition in self.refusals.items()
        }
        before = f"CREATE TRIGGER {self.name} BEFORE UPDATE ON {self.table} FOR EACH ROW"
        if connection.vendor == "sqlite":
            body = "".join(
                f"SELECT RAISE(ABORT, '{message}') WHERE {condition}; "
                for message, condition in refusals.items()
            )
            return [f"{before} WHEN {when} BEGIN {body}END"]
        body = "".join(
            f"IF {condition} THEN RAISE EXCEPTION '{message}' USING ERRCODE = '23514'; END IF; "
            for message, condition in refusals.items()
        )
        return [
            f"CREATE OR REPLACE FUNCTION {self.name}() RETURNS trigger AS "
            f"$$ BEGIN {body}RETURN NEW; END $$ LANGUAGE plpgsql",
            f"{before} WHEN ({when}) EXECUTE FUNCTION {self.name}()",
        ]


def all_guards() -> list[Guard]:
    """Return the guards of all applications."""
    return [guard for app in apps.get_app_configs() for guard in getattr(app, "guards", ())]


def install_guards(guards: Iterable[Guard]) -> None:
    """(Re)create the guards whose tables are there."""
    guards = list(guards)
    drop_guards(guards)
    tables = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for guard in guards:
            if {guard.table, *guard.reads} <= tables:
                for statement in guard.statements():
                    cursor.execute(statement)


def drop_guards(guards: Iterable[Guard]) -> None:
    """Take the guards away."""
    tables = set(connection.introspection.table_names())
    of_table = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        for guard in guards:
            if guard.table in tables:
                place = f" ON {guard.table}" if of_table else ""
                cursor.execute(f"DROP TRIGGER IF EXISTS {guard.name}{place}")


def missing_guards(guards: Iterable[Guard]) -> list[str]:
    """Return the names of the guards whose tables are there and that are not."""
    tables = set(connection.introspection.table_names())
    present = present_triggers()
    return sorted(
        guard.name
        for guard in guards
        if {guard.table, *guard.reads} <= tables and guard.name not in present
    )


def present_triggers() -> set[str]:
    """Return the names of all triggers that work."""
    query = (
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
        if connection.vendor == "postgresql"
        else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return {row[0] for row in cursor.fetchall()}
