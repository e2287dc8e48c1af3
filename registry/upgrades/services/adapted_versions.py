"""Register what an adapter makes: an adapted candidate, or a rewriter and who meets its vectors."""

from typing import Any

from django.utils import timezone

from registry.catalog.manifest import version_digest
from registry.catalog.models import Artifact, LineageEdge, ModelVersion
from registry.catalog.rewriting import REWRITES, REWRITTEN, as_uploaded
from registry.catalog.services.register_version import Parent, register_version
from registry.core.store import Stored
from registry.upgrades.models import AdapterFit

METHOD_NAMES = {
    "procrustes": "orthogonal Procrustes",
    "low_rank_affine": "low-rank affine map",
    "residual_mlp": "residual MLP",
    "stay_old": "the old encoder itself",
}
"""How people read them."""

ADAPTER_OF, COMPATIBLE_WITH = (
    LineageEdge.Relation.ADAPTER_OF,
    LineageEdge.Relation.COMPATIBLE_WITH,
)


def register_adapted(fit: AdapterFit, graph: Stored, result: dict[str, Any]) -> ModelVersion:
    """Return the candidate with the adapter behind it, which speaks the incumbent's space."""
    candidate = fit.upgrade.candidate
    parents = [Parent(candidate.pk, ADAPTER_OF), Parent(fit.incumbent_id, COMPATIBLE_WITH)]
    name = f"{candidate.model.name}-{candidate.number}-adapted.onnx"
    return _registered(
        fit, kept_artifact(graph), result["manifest"], {}, parents, name, card_of(fit, result)
    )


def register_rewritten(
    fit: AdapterFit, graph: Stored, result: dict[str, Any]
) -> tuple[ModelVersion, ModelVersion]:
    """Return the incumbent with the adapter behind it, and the candidate that meets its vectors.

    The second has the candidate's own graph; that it meets rewritten vectors is said by its
    manifest, and so by the digest that evidence cites.
    """
    candidate, incumbent = fit.upgrade.candidate, fit.incumbent
    rewriter = _registered(
        fit,
        kept_artifact(graph),
        result["manifest"],
        {REWRITES: incumbent.digest},
        [Parent(incumbent.pk, ADAPTER_OF), Parent(candidate.pk, COMPATIBLE_WITH)],
        f"{incumbent.model.name}-{incumbent.number}-rewriting.onnx",
        card_of(fit, result),
    )
    made = _registered(
        fit,
        candidate.artifact,
        as_uploaded(candidate.manifest),
        {REWRITTEN: {"of": incumbent.digest, "by": rewriter.digest}},
        [Parent(candidate.pk, ADAPTER_OF), Parent(rewriter.pk, COMPATIBLE_WITH)],
        candidate.file_name,
        f"{candidate} as it is, for galleries whose vectors of {incumbent} are rewritten by "
        f"{rewriter}: its queries meet those, in its evaluation and in searches. What it may do "
        "is said by the verdict of its upgrade alone.",
    )
    return rewriter, made


def kept_artifact(stored: Stored) -> Artifact:
    """Return the row of stored bytes."""
    return Artifact.objects.get_or_create(
        digest=stored.digest,
        defaults={"size_bytes": stored.size_bytes, "created_at": timezone.now()},
    )[0]


def card_of(fit: AdapterFit, result: dict[str, Any]) -> str:
    """Return the card of a version with an adapter: fitted on what, and what it was worth."""
    rows = [*result["tried"], result["stay_old"]]
    table = "\n".join(
        f"| {METHOD_NAMES[row['name']]} | {row['retained']:.3f} | {row['cosine']:.3f} |"
        for row in rows
    )
    candidate, incumbent = fit.upgrade.candidate, fit.incumbent
    if fit.side == AdapterFit.Side.QUERY:
        what = f"{candidate} with a query-side adapter into the space of {incumbent}"
        aim, served = "old", "What the version may do is said by the verdict of its upgrade alone."
    else:
        what = f"{incumbent} with a gallery-side transform into the space of {candidate}"
        aim, served = "new", "The version rewrites stored vectors and is never promoted."
    return (
        f"{what}: **{METHOD_NAMES[result['method']]}**, {result['parameters']:,} numbers, appended "
        f"to its graph.\n\nFitted on {result['fitted']:,} pairs of vectors from "
        f"{fit.set_revision} (no labels), chosen on {result['held_out']:,} pairs held out from "
        "them:\n\n| | nearest ten of a full re-embedding that are found | cosine with the "
        f"{aim} vector |\n|---|---|---|\n{table}\n\nThese figures chose the method. {served}"
    )


def _registered(
    fit: AdapterFit,
    artifact: Artifact,
    manifest: dict[str, Any],
    marks: dict[str, Any],
    parents: list[Parent],
    file_name: str,
    card: str,
) -> ModelVersion:
    """Return the version; the one that is there if the line has the same already."""
    model = fit.upgrade.candidate.model
    same = model.versions.exclude(state=ModelVersion.State.REFUSED).filter(
        digest=version_digest(artifact.digest, manifest | marks)
    )
    return same.first() or register_version(
        model_name=model.name,
        manifest=manifest,
        actor=fit.requested_by,
        artifact=artifact,
        file_name=file_name,
        parents=parents,
        card=card,
        marks=marks,
    )
