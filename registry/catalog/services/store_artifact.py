"""Take uploaded bytes: stream, hash, check size and first bytes, store. Nothing is parsed here."""

from collections.abc import Iterable
from enum import Enum

from django.conf import settings
from django.utils import timezone

from registry.catalog.models import Artifact
from registry.core.data import artifact_store
from registry.core.errors import UploadError


class Upload(Enum):
    """What an upload should be, and how its first bytes may look."""

    MODEL = (b"\x08",)
    TABLE = (b"PK\x03\x04", b"PAR1")


_LOOKS_LIKE = {
    b"PK\x03\x04": "a zip archive (NPZ, TorchScript or a PyTorch checkpoint)",
    b"PAR1": "a Parquet file",
    b"\x80": "a pickle",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip file",
    b"\x08": "an ONNX graph",
    b"\x93NUMPY": "an NPY file",
    b"{": "JSON",
}
_EXPECTED = {Upload.MODEL: "an ONNX graph", Upload.TABLE: "an NPZ or Parquet file"}


def store_artifact(chunks: Iterable[bytes], *, kind: Upload, expected_sha256: str = "") -> Artifact:
    """Store the bytes under their digest and return their row; the same bytes are stored once.

    Raises:
        UploadError: empty (``empty_upload``), not what the first bytes should be
            (``wrong_file_type``), or not the digest that was announced (``digest_mismatch``).
        UploadTooLargeError: above the size limit.
        StorageFullError: no room.
    """
    stored = artifact_store().write(_checked(chunks, kind), max_bytes=settings.MAX_UPLOAD_BYTES)
    if expected_sha256 and stored.digest != expected_sha256.lower():
        raise UploadError(
            f"the bytes that came have sha256 {stored.digest}, announced was {expected_sha256}",
            code="digest_mismatch",
        )
    artifact, _ = Artifact.objects.get_or_create(
        digest=stored.digest,
        defaults={"size_bytes": stored.size_bytes, "created_at": timezone.now()},
    )
    return artifact


def _checked(chunks: Iterable[bytes], kind: Upload) -> Iterable[bytes]:
    """Pass the chunks on; stop before the first is written when its beginning is wrong."""
    first = True
    for chunk in chunks:
        if first and chunk:
            first = False
            require_beginning(bytes(chunk[:16]), kind)
        yield chunk
    if first:
        raise UploadError("the upload holds no byte", code="empty_upload")


def require_beginning(head: bytes, kind: Upload) -> None:
    """Refuse what does not begin like a file of its kind (``wrong_file_type``)."""
    if any(head.startswith(beginning) for beginning in kind.value):
        return
    looks = next((name for magic, name in _LOOKS_LIKE.items() if head.startswith(magic)), "unknown")
    raise UploadError(
        f"expected {_EXPECTED[kind]}; the first bytes look like: {looks}", code="wrong_file_type"
    )
