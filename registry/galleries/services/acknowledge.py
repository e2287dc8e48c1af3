"""Consumers of a live pointer say which epoch they have taken over."""

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from registry.audit.services.record import record
from registry.catalog.services.register_model import require_slug
from registry.core.errors import ConflictError, InvalidInputError, UnknownObjectError
from registry.galleries.models import Acknowledgement, Gallery
from registry.notify.services.publish import publish


@transaction.atomic
def acknowledge(
    *, gallery: Gallery, consumer: str, epoch: int, actor: AbstractUser
) -> Acknowledgement:
    """Note that a consumer answers from that epoch on; told the same again, nothing is written.

    The gallery is locked, so that the epoch is held against the live one of this moment.

    Raises:
        InvalidInputError: the consumer's name is none, or the epoch is below 1.
        ConflictError: an epoch that is not live yet (``epoch_ahead``), or one before that which the
            consumer has acknowledged (``epoch_behind``).
    """
    require_slug(consumer)
    if epoch < 1:
        raise InvalidInputError("epochs begin at 1")
    locked = Gallery.objects.select_for_update(of=("self",)).get(pk=gallery.pk)
    if epoch > locked.epoch:
        raise ConflictError(f"{gallery} is at epoch {locked.epoch}", code="epoch_ahead")
    known = locked.acknowledgements.filter(consumer=consumer).first()
    if known is not None and known.epoch >= epoch:
        if known.epoch > epoch:
            raise ConflictError(
                f"{consumer} has acknowledged epoch {known.epoch} already", code="epoch_behind"
            )
        return known
    noted, _ = Acknowledgement.objects.update_or_create(
        gallery=locked,
        consumer=consumer,
        defaults={"epoch": epoch, "since": timezone.now(), "acknowledged_by": actor},
    )
    facts = {"consumer": consumer, "epoch": epoch, "behind": locked.epoch - epoch}
    subject = f"gallery:{gallery.name}"
    record(actor=actor.get_username(), action="gallery.acknowledge", subject=subject, **facts)
    publish(kind="gallery.acknowledged", subject=subject, **facts)
    return noted


@transaction.atomic
def forget_consumer(*, gallery: Gallery, consumer: str, actor: AbstractUser) -> None:
    """Wait no longer for a consumer that is gone.

    Raises:
        UnknownObjectError: it has acknowledged nothing.
    """
    Gallery.objects.select_for_update(of=("self",)).get(pk=gallery.pk)
    forgotten, _ = Acknowledgement.objects.filter(gallery=gallery, consumer=consumer).delete()
    if not forgotten:
        raise UnknownObjectError(
            f"{consumer} has acknowledged nothing of {gallery}", code="unknown_consumer"
        )
    record(
        actor=actor.get_username(),
        action="gallery.forget_consumer",
        subject=f"gallery:{gallery.name}",
        consumer=consumer,
    )
