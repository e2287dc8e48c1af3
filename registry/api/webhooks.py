"""Webhooks: who hears of events, signed with what, and what became of every message."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.endpoint import checked, operation
from registry.api.fields import WorkOut
from registry.api.idempotency import once
from registry.api.pagination import page
from registry.notify.models import Subscription
from registry.notify.selectors import (
    deliveries_of,
    delivery_of,
    subscription_of,
    subscriptions_of,
)
from registry.notify.services.ping import ping
from registry.notify.services.redeliver import redeliver
from registry.notify.services.rotate_secret import OVERLAP_HOURS, rotate_secret
from registry.notify.services.subscribe import subscribe
from registry.notify.services.switch import activate, deactivate


class WebhookIn(serializers.Serializer):
    """A new webhook."""

    url = serializers.CharField(trim_whitespace=False, help_text="https, at most 500 characters")
    kinds = serializers.ListField(
        child=serializers.CharField(max_length=100),
        max_length=100,
        help_text="of events: `alias.moved`, `upgrade.*`, `*`",
    )
    description = serializers.CharField(default="", allow_blank=True, max_length=200)


class WebhookOut(serializers.Serializer):
    """A webhook without its secrets."""

    id = serializers.IntegerField()
    url = serializers.CharField()
    kinds = serializers.ListField(child=serializers.CharField())
    description = serializers.CharField()
    owner = serializers.CharField(source="owner.username")
    active = serializers.BooleanField()
    inactive_reason = serializers.CharField(help_text="by_person, gone or failing; empty if active")
    failing_since = serializers.DateTimeField(allow_null=True, help_text="without one success")
    previous_secret_until = serializers.DateTimeField(
        allow_null=True, help_text="until then the secret before this one signs too"
    )
    created_at = serializers.DateTimeField()


class WebhookSecretOut(WebhookOut):
    """A webhook with its new secret, which is shown once."""

    secret = serializers.CharField(allow_null=True, help_text="null when the answer is replayed")


class RotationIn(serializers.Serializer):
    """How long the old secret goes on signing."""

    keep_old_hours = serializers.IntegerField(
        default=OVERLAP_HOURS, help_text="0 to 168; 0 where the old secret has leaked"
    )


class DeliveryOut(WorkOut):
    """One message for one webhook."""

    id = serializers.IntegerField()
    message_id = serializers.CharField(help_text="the header webhook-id, the same on every try")
    event = serializers.IntegerField(source="event_id")
    kind = serializers.CharField(source="event.kind")
    subject = serializers.CharField(source="event.subject")
    attempt = serializers.IntegerField(help_text="tries so far")
    attempt_limit = serializers.IntegerField()
    next_attempt_at = serializers.DateTimeField()
    response_status = serializers.IntegerField(allow_null=True)
    response_excerpt = serializers.CharField(help_text="the first 500 bytes of the last answer")
    duration_ms = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    delivered_at = serializers.DateTimeField(allow_null=True)


@operation(scope=Scope.READ, answers=WebhookOut, pages=True)
def list_webhooks(request: Request) -> Response:
    """List your own webhooks, newest first; an administrator sees all."""
    return page(request, subscriptions_of(request.user), WebhookOut)


@operation(
    scope=Scope.WRITE,
    takes=WebhookIn,
    status=201,
    answers=WebhookSecretOut,
    once=True,
    refuses=["invalid_webhook_url", "target_not_allowed", "invalid_event_filter"],
)
def create_webhook(request: Request) -> Response:
    """Have events sent to an address, from now on."""
    given = checked(WebhookIn, request.data)

    def act() -> Response:
        subscription, _ = subscribe(owner=request.user, **given)
        return Response(WebhookSecretOut(subscription).data, status=201)

    return once(request, act, secret="secret")  # noqa: S106


@operation(scope=Scope.READ, answers=WebhookOut, refuses=["unknown_webhook"])
def read_webhook(request: Request, webhook: int) -> Response:
    """Read a webhook."""
    return _webhook(subscription_of(request.user, webhook))


@operation(scope=Scope.WRITE, answers=WebhookOut, refuses=["unknown_webhook"])
def deactivate_webhook(request: Request, webhook: int) -> Response:
    """Switch a webhook off; what waits is given up, its log stays."""
    return _webhook(deactivate(subscription_id=webhook, actor=request.user))


@operation(
    scope=Scope.WRITE, answers=WebhookOut, once=True, refuses=["unknown_webhook", "webhook_active"]
)
def activate_webhook(request: Request, webhook: int) -> Response:
    """Switch a webhook on again; it hears what happens from now on."""

    def act() -> Response:
        return _webhook(activate(subscription_id=webhook, actor=request.user))

    return once(request, act)


@operation(
    scope=Scope.WRITE,
    takes=RotationIn,
    answers=WebhookSecretOut,
    once=True,
    refuses=["unknown_webhook", "invalid_overlap"],
)
def rotate_webhook_secret(request: Request, webhook: int) -> Response:
    """Give a webhook a new secret; for a while messages carry a signature of each."""
    given = checked(RotationIn, request.data)

    def act() -> Response:
        subscription, _ = rotate_secret(subscription_id=webhook, actor=request.user, **given)
        return Response(WebhookSecretOut(subscription).data)

    return once(request, act, secret="secret")  # noqa: S106


@operation(
    scope=Scope.WRITE,
    status=202,
    answers=DeliveryOut,
    once=True,
    refuses=["unknown_webhook", "webhook_inactive"],
)
def ping_webhook(request: Request, webhook: int) -> Response:
    """Send a message of the kind `webhook.ping`, whatever the webhook's filter."""

    def act() -> Response:
        delivery = ping(subscription_id=webhook, actor=request.user)
        return Response(DeliveryOut(delivery).data, status=202)

    return once(request, act)


@operation(scope=Scope.READ, answers=DeliveryOut, pages=True, refuses=["unknown_webhook"])
def list_deliveries(request: Request, webhook: int) -> Response:
    """List the messages of a webhook, newest first."""
    subscription = subscription_of(request.user, webhook)
    return page(request, deliveries_of(subscription), DeliveryOut)


@operation(scope=Scope.READ, answers=DeliveryOut, refuses=["unknown_webhook", "unknown_delivery"])
def read_delivery(request: Request, webhook: int, delivery: int) -> Response:
    """Read what became of a message."""
    found = delivery_of(subscription_of(request.user, webhook), delivery)
    return Response(DeliveryOut(found).data)


@operation(
    scope=Scope.WRITE,
    status=202,
    answers=DeliveryOut,
    once=True,
    refuses=["unknown_webhook", "unknown_delivery", "webhook_inactive", "delivery_under_way"],
)
def redeliver_message(request: Request, webhook: int, delivery: int) -> Response:
    """Send a message again at once, with the id that it had."""

    def act() -> Response:
        queued = redeliver(subscription_id=webhook, delivery_id=delivery, actor=request.user)
        return Response(DeliveryOut(queued).data, status=202)

    return once(request, act)


def _webhook(subscription: Subscription) -> Response:
    return Response(WebhookOut(subscription).data)
