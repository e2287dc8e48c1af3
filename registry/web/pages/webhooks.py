"""Webhooks of the person who is logged in: list, creation, one webhook with its delivery log."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from registry.notify.models import Subscription
from registry.notify.selectors import (
    deliveries_of,
    is_being_sent,
    subscription_of,
    subscriptions_of,
)
from registry.notify.services.ping import ping
from registry.notify.services.redeliver import redeliver
from registry.notify.services.rotate_secret import rotate_secret
from registry.notify.services.subscribe import subscribe
from registry.notify.services.switch import activate, deactivate
from registry.web.attempt import attempt
from registry.web.rendering import page_of, page_or_fragment, posted, see_other
from registry.web.webhook_forms import RotationForm, WebhookForm


@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    context = {"page": page_of(request, subscriptions_of(request.user), 30)}
    return render(request, "webhooks/index.html", context)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Show the form; a post answers with the secret, this once."""
    form = WebhookForm(posted(request))
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            with attempt(request) as tried:
                return _secret(request, *subscribe(owner=request.user, **form.cleaned_data))
            status = tried.status
    return render(request, "webhooks/create.html", {"form": form}, status=status)


@login_required
@require_GET
def detail(request: HttpRequest, webhook_id: int) -> HttpResponse:
    webhook = subscription_of(request.user, webhook_id)
    deliveries = deliveries_of(webhook)
    until = webhook.previous_secret_until
    context = {
        "webhook": webhook,
        "two_secrets": until is not None and until > timezone.now(),
        "page": page_of(request, deliveries, 25),
        "rotation_form": RotationForm(),
    }
    return page_or_fragment(
        request,
        "webhooks/detail.html",
        "webhooks/_deliveries.html",
        context,
        final=not is_being_sent(deliveries),
    )


@login_required
@never_cache
@require_POST
def rotate(request: HttpRequest, webhook_id: int) -> HttpResponse:
    """Make a new secret and show it in the answer, this once."""
    form = RotationForm(request.POST)
    subscription_of(request.user, webhook_id)
    if not form.is_valid():
        messages.error(request, "Choose when the old secret ends.")
        return see_other(request, "webhook", webhook_id)
    rotated = rotate_secret(subscription_id=webhook_id, actor=request.user, **form.cleaned_data)
    return _secret(request, *rotated)


@login_required
@require_POST
def send_test(request: HttpRequest, webhook_id: int) -> HttpResponse:
    subscription_of(request.user, webhook_id)
    with attempt(request):
        ping(subscription_id=webhook_id, actor=request.user)
        messages.success(request, "A test message is on its way.")
    return see_other(request, "webhook", webhook_id, fragment="deliveries")


@login_required
@require_POST
def switch_off(request: HttpRequest, webhook_id: int) -> HttpResponse:
    deactivate(subscription_id=webhook_id, actor=request.user)
    messages.success(request, "Nothing more is sent.")
    return see_other(request, "webhook", webhook_id)


@login_required
@require_POST
def switch_on(request: HttpRequest, webhook_id: int) -> HttpResponse:
    subscription_of(request.user, webhook_id)
    with attempt(request):
        activate(subscription_id=webhook_id, actor=request.user)
        messages.success(request, "What happens from now on is sent.")
    return see_other(request, "webhook", webhook_id)


@login_required
@require_POST
def send_again(request: HttpRequest, webhook_id: int, delivery_id: int) -> HttpResponse:
    subscription_of(request.user, webhook_id)
    with attempt(request):
        redeliver(subscription_id=webhook_id, delivery_id=delivery_id, actor=request.user)
        messages.success(request, "The message is sent again, with the id that it had.")
    return see_other(request, "webhook", webhook_id, fragment="deliveries")


def _secret(request: HttpRequest, webhook: Subscription, secret: str) -> HttpResponse:
    return render(request, "webhooks/secret.html", {"webhook": webhook, "secret": secret})
