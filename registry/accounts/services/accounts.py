"""Open accounts for people; there is no default account and no default password."""

import secrets

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import transaction

from registry.audit.services.record import record
from registry.core.errors import InvalidInputError


@transaction.atomic
def open_account(*, name: str, administrator: bool = False) -> tuple[AbstractUser, str]:
    """Open an account, or open it again, with a random password that is returned once.

    Raises:
        InvalidInputError: the name is not one that an account may have.
    """
    users = get_user_model()
    user = users.objects.filter(username=name).first() or users(username=name)
    password = secrets.token_urlsafe(15)
    user.set_password(password)
    user.is_staff = user.is_superuser = administrator or user.is_staff
    try:
        user.full_clean()
    except ValidationError as exc:
        raise InvalidInputError("; ".join(exc.messages), code="invalid_name") from exc
    user.save()
    record(actor="console", action="account.open", subject=f"account:{name}")
    return user, password
