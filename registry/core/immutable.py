"""Rows that are written once: refused in Python here, and by triggers in the database."""

from typing import Any

from django.db import connection, models

from registry.core.guards import present_triggers


class ImmutableRowError(RuntimeError):
    """Our own code tried to change a row that is written once."""


class WrittenOnce(models.Model):
    """A row that is inserted and never changed or removed."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise ImmutableRowError(f"{type(self).__name__} {self.pk} is written once")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise ImmutableRowError(f"{type(self).__name__} {self.pk} is never removed")


_POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION registry_refuse_change() RETURNS trigger AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are written once', TG_TABLE_NAME USING ERRCODE = '23001';
END
$$ LANGUAGE plpgsql
"""


def install_triggers(tables: list[str]) -> None:
    """(Re)create the triggers that refuse UPDATE, DELETE and TRUNCATE on ``tables``.

    SQLite drops them when a migration rebuilds a table, so they are made again at every start.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_POSTGRES_FUNCTION)
        for table in tables:
            for name, statement in _statements(table).items():
                cursor.execute(_drop(name, table))
                cursor.execute(statement)


def missing_triggers(tables: list[str]) -> list[str]:
    """Return the names of the triggers that should be there and are not."""
    return sorted({name for table in tables for name in _statements(table)} - present_triggers())


def _statements(table: str) -> dict[str, str]:
    if connection.vendor == "postgresql":
        return {
            f"{table}_no_change": f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE "
            f"ON {table} FOR EACH ROW EXECUTE FUNCTION registry_refuse_change()",
            f"{table}_no_truncate": f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE "
            f"ON {table} FOR EACH STATEMENT EXECUTE FUNCTION registry_refuse_change()",
        }
    return {
        f"{table}_no_{verb.lower()}": f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} "
        f"ON {table} BEGIN SELECT RAISE(ABORT, 'rows of {table} are written once'); END"
        for verb in ("UPDATE", "DELETE")
    }


def _drop(name: str, table: str) -> str:
    if connection.vendor == "postgresql":
        return f"DROP TRIGGER IF EXISTS {name} ON {table}"
    return f"DROP TRIGGER IF EXISTS {name}"
