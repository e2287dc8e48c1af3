"""Tokens: a program's own, within what its token may do."""

from datetime import timedelta

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope, Token
from registry.accounts.services.tokens import issue_token, revoke_token
from registry.api.endpoint import checked, operation
from registry.api.idempotency import once
from registry.api.pagination import page
from registry.core.errors import NotPermittedError


class TokenIn(serializers.Serializer):
    """A new token."""

    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(
        child=serializers.CharField(), allow_empty=False, help_text=f"of {', '.join(Scope.values)}"
    )
    days = serializers.IntegerField(
        min_value=1, max_value=36_500, help_text="at most 366, and not beyond the asking token"
    )


class TokenOut(serializers.Serializer):
    """A token without its secret."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    prefix = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)


class IssuedOut(TokenOut):
    """A new token with its secret, which is shown once."""

    secret = serializers.CharField(allow_null=True, help_text="null when the answer is replayed")


@operation(scope=Scope.READ, answers=TokenOut, pages=True)
def list_tokens(request: Request) -> Response:
    """List your own tokens, newest first."""
    return page(request, Token.objects.filter(owner=request.user), TokenOut)


@operation(
    scope=Scope.WRITE,
    takes=TokenIn,
    status=201,
    answers=IssuedOut,
    once=True,
    refuses=["unknown_scope", "invalid_lifetime", "exceeds_own_token"],
)
def issue(request: Request) -> Response:
    """Issue a token of your own; it can do no more than the one that asks, and not for longer."""
    given = checked(TokenIn, request.data)
    lifetime = timedelta(days=given["days"])
    _require_within(request.auth, set(given["scopes"]), lifetime)

    def act() -> Response:
        token, secret = issue_token(
            owner=request.user, name=given["name"], scopes=given["scopes"], lifetime=lifetime
        )
        token.secret = secret
        return Response(IssuedOut(token).data, status=201)

    return once(request, act, secret="secret")  # noqa: S106


@operation(scope=Scope.WRITE, answers=TokenOut, refuses=["unknown_token"])
def revoke(request: Request, token: int) -> Response:
    """Revoke a token of your own; an administrator may revoke any."""
    return Response(TokenOut(revoke_token(token_id=token, actor=request.user)).data)


def _require_within(own: Token, scopes: set[str], lifetime: timedelta) -> None:
    """A stolen token must not make a stronger one, nor outlive itself."""
    beyond = sorted((scopes & set(Scope.values)) - set(own.scopes))
    if beyond:
        raise NotPermittedError(
            f"the asking token has no scope {beyond[0]}", code="exceeds_own_token"
        )
    if timezone.now() + lifetime > own.expires_at:
        raise NotPermittedError(
            f"the asking token ends at {own.expires_at.isoformat()}", code="exceeds_own_token"
        )
