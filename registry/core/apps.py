"""Application registration; loads the Celery application, so that work can be asked for by name."""

from importlib import import_module

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "registry.core"
    label = "core"

    def ready(self) -> None:
        import_module("registry.celery")
        import_module("registry.core.checks")
