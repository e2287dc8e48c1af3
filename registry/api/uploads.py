"""The file of a request, put into the store."""

from collections.abc import Mapping
from typing import Any

from registry.catalog.models import Artifact
from registry.catalog.services.store_artifact import Upload, store_artifact


def store_upload(given: Mapping[str, Any], kind: Upload) -> Artifact | None:
    """Stream ``file`` into the store and hold it against ``sha256``; None where none came."""
    if "file" not in given:
        return None
    return store_artifact(given["file"].chunks(), kind=kind, expected_sha256=given["sha256"])
