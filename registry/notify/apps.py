"""Application registration."""

from django.apps import AppConfig


class NotifyConfig(AppConfig):
    name = "registry.notify"
    label = "notify"
