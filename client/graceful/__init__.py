"""Command line and SDK of Graceful Registry.

>>> from graceful import Client
>>> with Client("https://registry.example", token) as registry:  # doctest: +SKIP
...     registry.upgrade_to("faces", 3, alias="production")["outcome"]
'passed'
"""

from graceful.client import Client
from graceful.errors import (
    GracefulError,
    RefusedError,
    TimedOutError,
    UnreachableError,
    UsageError,
)
from graceful.standing import EXIT, Standing, standing_of
from graceful.version import VERSION as __version__

__all__ = [
    "EXIT",
    "Client",
    "GracefulError",
    "RefusedError",
    "Standing",
    "TimedOutError",
    "UnreachableError",
    "UsageError",
    "__version__",
    "standing_of",
]
