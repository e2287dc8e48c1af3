"""Reads of evaluation sets, outputs and comparisons."""

from compat.measurement import CODE_VERSION, Measurement
from registry.core.errors import UnknownObjectError
from registry.core.leases import WorkState
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
    """Return the comparison made by the present measuring code, in whatever state."""
    return Comparison.objects.filter(
        old_digest=old_digest,
        new_digest=new_digest,
        producer_digest=producer_digest,
        set_digest=set_digest,
        code_version=CODE_VERSION,
    ).first()


def measurements_of(comparison: Comparison) -> list[Measurement]:
    """Return the stored measurements as values that can be judged."""
    return [Measurement.from_json(plain) for plain in comparison.measurements]
