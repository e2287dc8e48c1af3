"""Settings of the search process: the registry's, with its own addresses and no web middleware.

It listens on loopback and takes one shared secret; hosts, cookies and forms mean nothing to it.
"""

from registry.settings import *  # noqa: F403

ROOT_URLCONF = "workers.serving.urls"
MIDDLEWARE: list[str] = []
