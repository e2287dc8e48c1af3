"""Reads of evaluation sets, outputs and comparisons."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Case, QuerySet, When

from compat.measurement import CODE_VERSION, Measurement
from compat.verdict import Planted
from registry.catalog.models import ModelVersion
from registry.core.errors import UnknownObjectError
from registry.core.leases import WorkState
from registry.core.references import split_numbered
from registry.evaluation.models import Comparison, EvaluationSet, Outputs, SetRevision


def set_named(name: str) -> EvaluationSet:
    """Return the evaluation set, or raise UnknownObjectError."""
    found = EvaluationSet.objects.filter(name=name).first()
    if found is None:
        raise UnknownObjectError(f"no evaluation set {name}", code="unknown_evaluation_set")
    return found


def revision_numbered(name: str, number: int) -> SetRevision:
    """Return one revision of a set, or raise UnknownObjectError."""
    found = (
        SetRevision.objects.select_related("evaluation_set")
        .filter(evaluation_set__name=name, number=number)
        .first()
    )
    if found is None:
        raise UnknownObjectError(
            f"no evaluation set {name}:{number}", code="unknown_evaluation_set"
        )
    return found


def revisions_of(held: EvaluationSet) -> QuerySet[SetRevision]:
    """Return the revisions of a set, newest first."""
    return held.revisions.select_related("evaluation_set", "created_by").order_by("-number")


def revision_referred(reference: str) -> SetRevision:
    """Return the revision that ``name:3`` names.

    Raises:
        InvalidInputError: the reference has another form.
        UnknownObjectError: it names nothing.
    """
    return revision_numbered(*split_numbered(reference))


def all_outputs_of(version: ModelVersion) -> QuerySet[Outputs]:
    """Return the outputs of a version on every set, oldest first."""
    return (
        Outputs.objects.select_related("version__model", "set_revision__evaluation_set")
        .filter(version_digest=version.digest)
        .order_by("pk")
    )


def existing_outputs(version: ModelVersion, revision: SetRevision) -> Outputs:
    """Return the outputs of a version on a set, or raise UnknownObjectError."""
    found = all_outputs_of(version).filter(set_digest=revision.digest).first()
    if found is None:
        raise UnknownObjectError(f"{version} has no outputs on {revision}", code="unknown_outputs")
    return found


def comparison_numbered(pk: int) -> Comparison:
    """Return a comparison with the versions and the set that it is about.

    Raises:
        UnknownObjectError: there is none of that number.
    """
    found = (
        Comparison.objects.select_related(
            "old_outputs__version__model",
            "new_outputs__version__model",
            "producer_outputs__version__model",
            "old_outputs__set_revision__evaluation_set",
        )
        .filter(pk=pk)
        .first()
    )
    if found is None:
        raise UnknownObjectError(f"no comparison {pk}", code="unknown_comparison")
    return found


def outputs_of(version_digest: str, set_digest: str) -> Outputs | None:
    """Return the outputs of a version on a set, in whatever state."""
    return Outputs.objects.filter(version_digest=version_digest, set_digest=set_digest).first()


def outputs_held(
    version_digests: set[str], set_digests: set[str]
) -> tuple[tuple[str, str, str], ...]:
    """Return (version, set, what came out) of finished outputs: a file digest, or an error code.

    Evidence that comes later, such as a recording or a repeated run, makes it another tuple.
    """
    held = Outputs.objects.filter(
        version_digest__in=version_digests,
        set_digest__in=set_digests,
        work_state__in=[WorkState.DONE, WorkState.FAILED],
    )
    return tuple(
        sorted((o.version_digest, o.set_digest, o.file_digest or o.error_code) for o in held)
    )


def comparison_of(
    old_digest: str, new_digest: str, set_digest: str, producer_digest: str = ""
) -> Comparison | None:
    """Return the comparison made by the present measuring code, in whatever state.

    Policies that ask for different measures leave several: a finished one is preferred, then the
    newest.
    """
    return (
        Comparison.objects.filter(
            old_digest=old_digest,
            new_digest=new_digest,
            producer_digest=producer_digest,
            set_digest=set_digest,
            code_version=CODE_VERSION,
        )
        .order_by(Case(When(work_state=WorkState.DONE, then=0), default=1), "-pk")
        .first()
    )


def comparison_on_producer(
    new_digest: str, producer_digest: str, set_digest: str
) -> Comparison | None:
    """Return the last finished comparison in which ``new`` met a third version's vectors."""
    return (
        Comparison.objects.filter(
            new_digest=new_digest,
            producer_digest=producer_digest,
            set_digest=set_digest,
            code_version=CODE_VERSION,
            work_state=WorkState.DONE,
        )
        .order_by("-pk")
        .first()
    )


def planted_of(comparison: Comparison) -> list[Planted]:
    """Return the regressions that were planted into the old version's outputs."""
    return planted_from(comparison.planted)


def planted_from(rungs: Iterable[Mapping[str, Any]]) -> list[Planted]:
    """Rebuild what a worker planted, mildest first."""
    return [
        Planted(rung["share"], [Measurement.from_json(plain) for plain in rung["measurements"]])
        for rung in rungs
        if rung["share"] > 0
    ]


def measurements_of(comparison: Comparison) -> list[Measurement]:
    """Return the stored measurements as values that can be judged."""
    return [Measurement.from_json(plain) for plain in comparison.measurements]


def negative_flips(comparison: Comparison) -> tuple[set[str], bool]:
    """Return the ids of listed negative flips, and whether the list is whole."""
    ids = {flip["id"] for flip in comparison.flips if flip["kind"] == "negative"}
    counted = [
        round(m["value"] * m["support"])
        for m in comparison.measurements
        if m["name"] in {"nfr", "retrieval_nfr"} and not m["slice"]
    ]
    return ids, counted == [len(ids)]
