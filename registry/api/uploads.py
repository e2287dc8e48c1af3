"""The file of a request, put into the store: sent with it, or before it in pieces."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from registry.api.fields import Sha256Field
from registry.api.incoming import take
from registry.catalog.models import Artifact
from registry.catalog.services.store_artifact import Upload, store_artifact
from registry.core.errors import UploadError


class FileIn(serializers.Serializer):
    """A file, or the id of an upload that came in pieces; not both."""

    file = serializers.FileField(required=False, allow_empty_file=True)
    upload = serializers.SlugField(
        default="", allow_blank=True, help_text="id of an upload, in place of `file`"
    )
    sha256 = Sha256Field(default="", help_text="of the file; held against the bytes that come")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "file" in attrs and attrs["upload"]:
            raise serializers.ValidationError("give the file or the upload, not both")
        return attrs


@dataclass(frozen=True)
class Received:
    """What was uploaded, and what its sender calls it."""

    artifact: Artifact
    file_name: str


def receive(request: Request, given: Mapping[str, Any], kind: Upload) -> Received | None:
    """Return the file or the upload that a ``FileIn`` names; None where it names neither."""
    if given["upload"]:
        session = take(owner=request.user, session_id=given["upload"], kind=kind)
        if given["sha256"] not in {"", session.sha256}:
            raise UploadError(f"the upload has sha256 {session.sha256}", code="digest_mismatch")
        return Received(session.artifact, session.file_name)
    artifact = store_upload(given, kind)
    return Received(artifact, given["file"].name) if artifact else None


def store_upload(given: Mapping[str, Any], kind: Upload) -> Artifact | None:
    """Stream ``file`` into the store and hold it against ``sha256``; None where none came."""
    if "file" not in given:
        return None
    return store_artifact(given["file"].chunks(), kind=kind, expected_sha256=given["sha256"])
