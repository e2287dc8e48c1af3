"""Reads that pages, API and other parts share."""

import re
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from registry.catalog.models import Alias, AliasMove, LineageEdge, ModelVersion, RegisteredModel
from registry.core.errors import InvalidInputError, UnknownObjectError

_REFERENCE = re.compile(r"(?P<model>[-\w]+)(?P<kind>:|@sha256:|@)(?P<rest>[-\w]+)")


def model_named(name: str) -> RegisteredModel:
    """Return the registered model, or raise UnknownObjectError."""
    model = RegisteredModel.objects.filter(name=name).first()
    if model is None:
        raise UnknownObjectError(f"no model {name}", code="unknown_model")
    return model


def version_numbered(model_name: str, number: int) -> ModelVersion:
    """Return one version of a line, or raise UnknownObjectError."""
    found = _versions().filter(model__name=model_name, number=number).first()
    if found is None:
        raise UnknownObjectError(f"no version {model_name}:{number}", code="unknown_version")
    return found


def alias_named(model_name: str, alias: str) -> Alias:
    """Return an alias of a line, or raise UnknownObjectError."""
    found = (
        Alias.objects.select_related("model", "version__model")
        .filter(model__name=model_name, name=alias)
        .first()
    )
    if found is None:
        raise UnknownObjectError(f"no alias {model_name}@{alias}", code="unknown_alias")
    return found


def resolve(reference: str) -> ModelVersion:
    """Return the version that ``name:3``, ``name@alias`` or ``name@sha256:...`` names.

    Raises:
        InvalidInputError: the reference has another form.
        UnknownObjectError: it names nothing, or an alias that no version was promoted to.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise InvalidInputError(
            "a reference is name:3, name@alias or name@sha256:digest", code="invalid_reference"
        )
    model, kind, rest = match["model"], match["kind"], match["rest"]
    if kind == ":":
        if not rest.isascii() or not rest.isdigit() or len(rest) > 9:
            raise InvalidInputError(f"{rest} is no version number", code="invalid_reference")
        return version_numbered(model, int(rest))
    if kind == "@sha256:":
        found = _versions().filter(model__name=model, digest=rest).order_by("-number").first()
        if found is None:
            raise UnknownObjectError(f"no version {reference}", code="unknown_version")
        return found
    version = alias_named(model, rest).version
    if version is None:
        raise UnknownObjectError(f"{reference} names no version yet", code="alias_empty")
    return version


def alias_at(alias: Alias, moment: datetime) -> AliasMove | None:
    """Return the move that was in force at ``moment``, or None before the first."""
    return (
        alias.moves.select_related("to_version__model", "actor")
        .filter(at__lte=moment)
        .order_by("-epoch")
        .first()
    )


def aliases_of(model: RegisteredModel) -> QuerySet[Alias]:
    """Return the aliases of a line by name."""
    return model.aliases.select_related("model", "version__model").order_by("name")


def moves_of(alias: Alias) -> QuerySet[AliasMove]:
    """Return the moves of an alias, newest first."""
    return alias.moves.select_related(
        "alias__model", "from_version__model", "to_version__model", "actor"
    ).order_by("-epoch")


def versions_of(model: RegisteredModel) -> QuerySet[ModelVersion]:
    """Return the line's versions, newest first."""
    return (
        _versions().filter(model=model).prefetch_related("aliases", "parent_edges__parent__model")
    )


def ready_versions(*, task: str) -> QuerySet[ModelVersion]:
    """Return the versions of all lines for a task that can be used, newest first."""
    return _versions().filter(model__task=task, state=ModelVersion.State.READY).order_by("-pk")


def models_found(search: str = "") -> QuerySet[RegisteredModel]:
    """Return registered models by name, with how many versions they have and what serves."""
    found = RegisteredModel.objects.annotate(version_count=Count("versions"))
    if search:
        found = found.filter(Q(name__icontains=search) | Q(description__icontains=search))
    return found.prefetch_related("aliases__version").order_by("name")


def aliases_serving() -> QuerySet[Alias]:
    """Return the aliases that name a version."""
    return (
        Alias.objects.select_related("model", "version__model")
        .exclude(version=None)
        .order_by("model__name", "name")
    )


def lineage_of(model: RegisteredModel, newest: int) -> list[LineageEdge]:
    """Return how the newest versions of a line came from others, of this line or another."""
    children = model.versions.order_by("-number").values_list("pk", flat=True)[:newest]
    return list(
        LineageEdge.objects.select_related("child__model", "parent__model")
        .filter(child__in=list(children))
        .order_by("pk")
    )


def _versions() -> QuerySet[ModelVersion]:
    return ModelVersion.objects.select_related("model", "created_by", "artifact")
