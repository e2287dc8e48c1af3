"""Application registration."""

from django.apps import AppConfig


class GalleriesConfig(AppConfig):
    name = "registry.galleries"
    label = "galleries"
