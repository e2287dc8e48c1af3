"""The outbox, who wants to hear of it, and every message that was or is to be sent."""

import secrets

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from registry.core.leases import Work
from registry.notify.backoff import ATTEMPTS


class OutboxEvent(models.Model):
    """One event, written with the act itself; readers follow by ``pk``."""

    kind = models.CharField(max_length=64)
    subject = models.CharField(max_length=200)
    body = models.JSONField()
    at = models.DateTimeField()
    fanned_out_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(
                fields=["id"],
                name="outbox_not_fanned_out",
                condition=models.Q(fanned_out_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.kind} {self.subject}"


class Subscription(models.Model):
    """A receiver of events: where, which kinds, signed with what.

    The secrets are readable, since they sign; they are shown once and in no answer afterwards.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="subscriptions"
    )
    url = models.CharField(max_length=500)
    kinds = models.JSONField()
    description = models.CharField(max_length=200, blank=True)
    secret = models.CharField(max_length=100)
    previous_secret = models.CharField(max_length=100, blank=True)
    previous_secret_until = models.DateTimeField(null=True, blank=True)
    active = models.BooleanField(default=True)
    inactive_reason = models.CharField(max_length=64, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"webhook {self.pk}"


def new_message_id() -> str:
    """Return an id that no other message has, here or at another installation."""
    return f"msg_{secrets.token_hex(16)}"


class Delivery(Work):
    """One event for one subscription: the job, and its line in the delivery log.

    ``message_id`` is the same on every attempt; ``attempt`` counts them all, also those of a
    redelivery. When it is due is told by the database's clock, as leases are.
    """

    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(OutboxEvent, models.PROTECT, related_name="deliveries")
    message_id = models.CharField(max_length=40, unique=True, default=new_message_id)
    next_attempt_at = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(default=timezone.now)
    delivered_at = models.DateTimeField(null=True, blank=True)
    response_status = models.PositiveIntegerField(null=True, blank=True)
    response_excerpt = models.CharField(max_length=500, blank=True)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)

    attempt_limit = models.PositiveIntegerField(default=ATTEMPTS)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["subscription", "event"], name="one_delivery_an_event")
        ]

    def __str__(self) -> str:
        return self.message_id
