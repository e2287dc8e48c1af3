"""Events: what happened, in order, for readers that follow."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.endpoint import operation
from registry.api.fields import DocumentField
from registry.api.pagination import follow
from registry.notify.models import OutboxEvent


class EventOut(serializers.Serializer):
    """One event."""

    id = serializers.IntegerField()
    kind = serializers.CharField(help_text="such as `alias.moved` or `upgrade.judged`")
    subject = serializers.CharField()
    body = DocumentField()
    at = serializers.DateTimeField()


@operation(scope=Scope.READ, answers=EventOut, pages=True)
def list_events(request: Request) -> Response:
    """Follow what happened, oldest first.

    The page token of the last page stays good: asked again, it gives what came since.
    """
    return follow(request, OutboxEvent.objects.all(), EventOut)
