"""Tells who listens, where the database can, that a live pointer moved.

A notice carries nothing and proves nothing: who gets one looks. Where none comes (SQLite, a lost
connection, a pooler that hides sessions) looking from time to time finds the same.
"""

from django.db import connection

CHANNEL = "live_pointers"


def announce_cutover() -> None:
    """Send a notice when the surrounding transaction commits, and none if it does not."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
