"""Open a gallery that follows an alias."""

from django.contrib.auth.models import AbstractUser
from django.db import IntegrityError, transaction
from django.utils import timezone

from registry.audit.services.record import record
from registry.catalog.models import Alias
from registry.catalog.services.register_model import require_slug
from registry.core.errors import ConflictError, DuplicateError, InvalidInputError
from registry.galleries.engines import require_configured
from registry.galleries.models import Gallery
from registry.galleries.services.attach import (
    Attachment,
    add_held_segments,
    count_own_items,
    require_sane,
)
from registry.galleries.services.cutover import open_view


@transaction.atomic
def create_gallery(
    *,
    name: str,
    alias: Alias,
    actor: AbstractUser,
    description: str = "",
    attachment: Attachment | None = None,
    engine: str = Gallery.Engine.FILES,
) -> Gallery:
    """Create a gallery whose encoder is what ``alias`` names now.

    The alias is locked, so that no promotion passes between its reading and the first view. What
    an attached index holds of other versions is searched by no query before a cutover covers it.

    Raises:
        InvalidInputError: no slug, the model embeds nothing, there is no such engine, or the
            attachment cannot be.
        ConflictError: the alias names no version yet, the engine is not set up here, or the index
            holds a version that is not ready.
        DuplicateError: the name is taken.
    """
    require_slug(name)
    require_configured(engine)
    locked = Alias.objects.select_for_update(no_key=True).get(pk=alias.pk)
    if locked.model.task != "embedding":
        raise InvalidInputError(f"{locked.model} embeds nothing", code="task_mismatch")
    if locked.version is None:
        raise ConflictError(f"{locked} names no version yet", code="alias_empty")
    kind = Gallery.Kind.EMBEDDED
    if attachment is not None:
        require_sane(attachment, locked.model_id)
        kind = Gallery.Kind.ATTACHED
    try:
        with transaction.atomic():
            gallery = Gallery.objects.create(
                name=name,
                alias=locked,
                description=description,
                kind=kind,
                location=attachment.location.strip() if attachment else "",
                engine=engine,
                created_by=actor,
                created_at=timezone.now(),
            )
    except IntegrityError:
        raise DuplicateError(
            f"there is a gallery {name} already", code="duplicate_gallery"
        ) from None
    declared = add_held_segments(gallery, attachment, locked.version) if attachment else {}
    open_view(gallery, encoder=locked.version, evidence={}, alias_epoch=locked.epoch)
    if attachment is not None:
        count_own_items(gallery, attachment, locked.version)
    record(
        actor=actor.get_username(),
        action="gallery.create",
        subject=f"gallery:{name}",
        alias=str(locked),
        encoder=str(locked.version),
        kind=kind,
        location=gallery.location,
        engine=engine,
        declared=declared,
    )
    return gallery
