"""Application registration."""

from django.apps import AppConfig

from registry.galleries.guards import LIVE_POINTER


class GalleriesConfig(AppConfig):
    name = "registry.galleries"
    label = "galleries"
    guards = (LIVE_POINTER,)
