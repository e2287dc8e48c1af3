"""Application registration."""

from django.apps import AppConfig


class VectorsConfig(AppConfig):
    name = "workers.engines.vectors"
    label = "vectors"
