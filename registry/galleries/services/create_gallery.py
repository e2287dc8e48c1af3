"""Open a gallery that follows an alias."""

from django.contrib.auth.models import AbstractUser
from django.db import IntegrityError, transaction
from django.utils import timezone

from registry.audit.services.record import record
from registry.catalog.models import Alias
from registry.catalog.services.register_model import require_slug
from registry.core.errors import ConflictError, DuplicateError, InvalidInputError
from registry.galleries.models import Gallery
from registry.galleries.services.cutover import open_view


@transaction.atomic
def create_gallery(
    *, name: str, alias: Alias, actor: AbstractUser, description: str = ""
) -> Gallery:
    """Create a gallery whose encoder is what ``alias`` names now.

    The alias is locked, so that no promotion passes between its reading and the first view.

    Raises:
        InvalidInputError: no slug, or the model embeds nothing.
        ConflictError: the alias names no version yet.
        DuplicateError: the name is taken.
    """
    require_slug(name)
    locked = (
        Alias.objects.select_for_update(of=("self",))
        .select_related("model", "version")
        .get(pk=alias.pk)
    )
    if locked.model.task != "embedding":
        raise InvalidInputError(f"{locked.model} embeds nothing", code="task_mismatch")
    if locked.version is None:
        raise ConflictError(f"{locked} names no version yet", code="alias_empty")
    try:
        with transaction.atomic():
            gallery = Gallery.objects.create(
                name=name,
                alias=locked,
                description=description,
                created_by=actor,
                created_at=timezone.now(),
            )
    except IntegrityError:
        raise DuplicateError(
            f"there is a gallery {name} already", code="duplicate_gallery"
        ) from None
    open_view(gallery, encoder=locked.version, evidence={}, alias_epoch=locked.epoch)
    record(
        actor=actor.get_username(),
        action="gallery.create",
        subject=f"gallery:{name}",
        alias=str(locked),
        encoder=str(locked.version),
    )
    return gallery
