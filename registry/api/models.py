"""What the API keeps: answers to creating requests, and uploads that arrive in pieces."""

from django.conf import settings
from django.db import models

from registry.catalog.models import Artifact


class IdempotencyKey(models.Model):
    """One creating request of one person."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    key = models.CharField(max_length=100)
    request_sha256 = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    body = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="one_request_per_key")]

    def __str__(self) -> str:
        return self.key


class UploadSession(models.Model):
    """An upload that arrives in pieces: what is to come, and how much of it was synced to disk.

    The bytes lie in a file named by the id, until they are whole and become an artifact.
    """

    class Kind(models.TextChoices):
        MODEL = "model"
        TABLE = "table"

    id = models.CharField(primary_key=True, max_length=32)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    file_name = models.CharField(max_length=255, blank=True)
    offset = models.PositiveBigIntegerField(default=0)
    artifact = models.ForeignKey(Artifact, models.CASCADE, null=True, related_name="+")
    created_at = models.DateTimeField()
    touched_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "kind", "sha256", "size_bytes"], name="one_session_per_upload"
            )
        ]

    def __str__(self) -> str:
        return self.id
