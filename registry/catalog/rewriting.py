"""Versions whose queries meet the vectors of another one rewritten, and versions that rewrite.

Both are marked in their manifests by the registry alone: the schema of uploads knows no such field.
"""

from typing import Any

from registry.catalog.models import ModelVersion

REWRITES = "rewrites"
"""Of a version that only rewrites: the digest of the version whose vectors it does that to."""

REWRITTEN = "rewritten"
"""Of a version that asks: ``of`` which version the vectors are rewritten, and ``by`` which."""


def only_rewrites(version: ModelVersion) -> bool:
    """Whether it was made to rewrite stored vectors, and so is never promoted."""
    return REWRITES in version.manifest


def meets_rewritten(version: ModelVersion) -> bool:
    """Whether its queries meet the vectors of some other version only as they were rewritten."""
    return REWRITTEN in version.manifest


def as_uploaded(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a manifest that a person may write."""
    return {key: value for key, value in manifest.items() if key not in {REWRITES, REWRITTEN}}


def rewriter(asking: ModelVersion, stored: ModelVersion) -> ModelVersion | None:
    """Return the version by which vectors of ``stored`` are rewritten for queries of ``asking``.

    Wherever these two meet, in a comparison as in a search, the queries meet its vectors.
    """
    return rewriter_of(asking) if needs_rewritten(asking, stored) else None


def needs_rewritten(asking: ModelVersion, stored: ModelVersion) -> bool:
    """Whether queries of ``asking`` meet the vectors of ``stored`` only as they were rewritten."""
    said = asking.manifest.get(REWRITTEN)
    return said is not None and said["of"] == stored.digest


def rewriter_of(asking: ModelVersion) -> ModelVersion | None:
    """Return the version that rewrites for it, whosever vectors."""
    said = asking.manifest.get(REWRITTEN)
    if said is None:
        return None
    made = ModelVersion.objects.select_related("model").filter(
        model=asking.model_id, digest=said["by"]
    )
    return made.latest("number")
