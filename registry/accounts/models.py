"""Tokens for programs; people are Django's own users."""

from django.conf import settings
from django.db import models


class Scope(models.TextChoices):
    """What a token may do; each is granted by name."""

    READ = "read"
    WRITE = "write"
    PROMOTE = "promote"
    SIGNAL = "signal"


class Token(models.Model):
    """A secret that acts for its owner; only its sha256 is stored."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12, unique=True)
    secret_sha256 = models.CharField(max_length=64)
    scopes = models.JSONField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"
