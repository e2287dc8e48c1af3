"""The kept connection to the database: not asked whether it lives before each search."""

from collections.abc import Callable
from typing import TypeVar

from django.db import Error as DatabaseError
from django.db import connection

Answer = TypeVar("Answer")


def on_a_live_connection(ask: Callable[[], Answer]) -> Answer:
    """Return what ``ask`` reads; asked again, once, where the kept connection was lost.

    What is asked must write nothing.
    """
    was_kept = connection.connection is not None
    try:
        return ask()
    except DatabaseError:
        connection.close_if_unusable_or_obsolete()
        if not was_kept or connection.connection is not None:
            raise
    return ask()
