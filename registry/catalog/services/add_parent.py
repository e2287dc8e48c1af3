"""Declare lineage after the fact."""

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from registry.audit.services.record import record
from registry.catalog.models import LineageEdge, ModelVersion
from registry.core.errors import ConflictError, DuplicateError, InvalidInputError


@transaction.atomic
def add_parent(
    *, child: ModelVersion, parent: ModelVersion, relation: str, actor: AbstractUser
) -> LineageEdge:
    """Add one edge to the lineage.

    The ledger is written first: its head row serialises everything, so two edges that would close
    a cycle together cannot both be added.

    Raises:
        InvalidInputError: unknown relation.
        ConflictError: the edge would close a cycle.
        DuplicateError: the edge is there.
    """
    require_relation(relation)
    record(
        actor=actor.get_username(),
        action="version.add_parent",
        subject=f"version:{child}",
        parent=str(parent),
        relation=relation,
    )
    if parent == child or child.pk in _ancestors(parent.pk):
        raise ConflictError(
            f"{parent} comes from {child}: lineage has no cycles", code="lineage_cycle"
        )
    edge, created = LineageEdge.objects.get_or_create(child=child, parent=parent, relation=relation)
    if not created:
        raise DuplicateError(f"{edge} is declared already", code="duplicate_parent")
    return edge


def require_relation(relation: str) -> None:
    """Raise InvalidInputError unless the relation is one of the named ones."""
    if relation not in LineageEdge.Relation.values:
        raise InvalidInputError(
            f"relation must be one of {', '.join(LineageEdge.Relation.values)}",
            code="unknown_relation",
        )


def _ancestors(version_id: int) -> set[int]:
    found: set[int] = set()
    frontier = {version_id}
    while frontier:
        parents = LineageEdge.objects.filter(child__in=frontier).values_list("parent", flat=True)
        frontier = set(parents) - found
        found |= frontier
    return found
