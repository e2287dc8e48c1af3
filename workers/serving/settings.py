"""Settings of the search process: the registry's, with its own addresses and no web middleware.

It listens on loopback and takes one shared secret; hosts, cookies and forms mean nothing to it.
"""

from logging import LogRecord

from registry.settings import *  # noqa: F403
from registry.settings import DATABASES as REGISTRY_DATABASES
from registry.settings import LOGGING as REGISTRY_LOGGING

ROOT_URLCONF = "workers.serving.urls"
MIDDLEWARE: list[str] = []

KEPT_S = 60
"""How long a connection to the database is used, SQLite's too: opening one and setting it up costs
more than a search."""

DATABASES = REGISTRY_DATABASES | {
    "default": REGISTRY_DATABASES["default"]
    | {"CONN_MAX_AGE": KEPT_S, "CONN_HEALTH_CHECKS": False}  # database.py asks again instead
}


def is_no_refusal(record: LogRecord) -> bool:
    """Tell whether a request's record is worth a line: a refusal has its code in the answer."""
    return getattr(record, "status_code", 500) == 500


LOGGING = REGISTRY_LOGGING | {
    "filters": {"no_refusal": {"()": "django.utils.log.CallbackFilter", "callback": is_no_refusal}},
    "loggers": {"django.request": {"filters": ["no_refusal"]}},
}
