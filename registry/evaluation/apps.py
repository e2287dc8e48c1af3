"""Application registration."""

from django.apps import AppConfig


class EvaluationConfig(AppConfig):
    name = "registry.evaluation"
    label = "evaluation"
