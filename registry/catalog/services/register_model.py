"""Open a new line of versions."""

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import IntegrityError, transaction
from django.utils import timezone

from compat.policy import Task
from registry.audit.services.record import record
from registry.catalog.models import RegisteredModel
from registry.core.errors import DuplicateError, InvalidInputError

LONGEST_DESCRIPTION = 300


@transaction.atomic
def register_model(
    *, name: str, task: str, actor: AbstractUser, description: str = "", card: str = ""
) -> RegisteredModel:
    """Create a registered model.

    Raises:
        InvalidInputError: the name is no slug or the task is unknown.
        DuplicateError: the name is taken.
    """
    require_slug(name)
    if len(description) > LONGEST_DESCRIPTION:
        raise InvalidInputError("a description has at most 300 characters")
    if task not in set(Task):
        raise InvalidInputError(f"task must be one of {', '.join(Task)}", code="unknown_task")
    try:
        with transaction.atomic():
            model = RegisteredModel.objects.create(
                name=name,
                task=task,
                description=description,
                card=card,
                created_by=actor,
                created_at=timezone.now(),
            )
    except IntegrityError:
        raise DuplicateError(f"there is a model {name} already", code="duplicate_model") from None
    record(actor=actor.get_username(), action="model.register", subject=f"model:{name}", task=task)
    return model


def require_slug(name: str) -> None:
    """Raise InvalidInputError unless ``name`` is 1-100 letters, digits, hyphens, underscores."""
    try:
        validate_slug(name)
    except ValidationError:
        name = ""
    if not 1 <= len(name) <= 100:
        raise InvalidInputError(
            "a name has 1 to 100 letters, digits, hyphens or underscores", code="invalid_name"
        )
