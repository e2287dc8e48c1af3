"""Vectors have a database of their own: nothing else is in it, and they are nowhere else."""

from typing import Any

ALIAS = APP = "vectors"


class VectorsRouter:
    """Keeps the application and the database of vectors for each other."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return ALIAS if model._meta.app_label == APP else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return (db == ALIAS) == (app_label == APP)
