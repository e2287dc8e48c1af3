"""Application registration."""

from django.apps import AppConfig


class UpgradesConfig(AppConfig):
    name = "registry.upgrades"
    label = "upgrades"
