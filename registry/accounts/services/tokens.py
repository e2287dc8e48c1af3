"""Issue, check and revoke service tokens."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import timedelta

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from registry.accounts.models import Scope, Token
from registry.audit.services.record import record
from registry.core.errors import InvalidInputError, UnknownObjectError

PREFIX = "grt"
LONGEST = timedelta(days=366)


@transaction.atomic
def issue_token(
    *, owner: AbstractUser, name: str, scopes: Sequence[str], lifetime: timedelta
) -> tuple[Token, str]:
    """Create a token and return it with its secret, which is shown once and never stored.

    Raises:
        InvalidInputError: unknown scope, no scope, or a lifetime out of range.
    """
    if not scopes or not set(scopes) <= set(Scope.values):
        raise InvalidInputError(f"scopes are {', '.join(Scope.values)}", code="unknown_scope")
    if not timedelta(0) < lifetime <= LONGEST:
        raise InvalidInputError("a token lives at most 366 days", code="invalid_lifetime")
    prefix, secret = secrets.token_hex(5), secrets.token_urlsafe(32)
    now = timezone.now()
    token = Token.objects.create(
        owner=owner,
        name=name[:100],
        prefix=prefix,
        secret_sha256=_digest(secret),
        scopes=sorted(set(scopes)),
        created_at=now,
        expires_at=now + lifetime,
    )
    record(
        actor=owner.get_username(),
        action="token.issue",
        subject=f"token:{prefix}",
        scopes=token.scopes,
        expires_at=token.expires_at.isoformat(),
    )
    return token, f"{PREFIX}_{prefix}_{secret}"


def check_token(presented: str) -> Token | None:
    """Return the live token that ``presented`` names, or None; compares in constant time."""
    kind, _, rest = presented.partition("_")
    prefix, _, secret = rest.partition("_")
    if kind != PREFIX or not secret:
        return None
    token = Token.objects.select_related("owner").filter(prefix=prefix).first()
    expected = token.secret_sha256 if token else _digest("")
    if not hmac.compare_digest(_digest(secret), expected) or token is None:
        return None
    now = timezone.now()
    if token.revoked_at or token.expires_at <= now or not token.owner.is_active:
        return None
    if token.last_used_at is None or now - token.last_used_at > timedelta(minutes=1):
        Token.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


@transaction.atomic
def revoke_token(*, token_id: int, actor: AbstractUser) -> Token:
    """End a token of the actor's own; an administrator may end any.

    Raises:
        UnknownObjectError: there is none that the actor may end.
    """
    tokens = Token.objects.select_for_update().filter(pk=token_id, revoked_at=None)
    token = (tokens if actor.is_staff else tokens.filter(owner=actor)).first()
    if token is None:
        raise UnknownObjectError(f"no live token {token_id}", code="unknown_token")
    token.revoked_at = timezone.now()
    token.save(update_fields=["revoked_at"])
    record(actor=actor.get_username(), action="token.revoke", subject=f"token:{token.prefix}")
    return token


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
