"""The outbox: what happened, written with the act itself, for readers outside."""

from django.db import models


class OutboxEvent(models.Model):
    """One event; readers follow by ``pk``."""

    kind = models.CharField(max_length=64)
    subject = models.CharField(max_length=200)
    body = models.JSONField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.pk} {self.kind} {self.subject}"
