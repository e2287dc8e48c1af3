"""Uploads in pieces."""

from typing import TypedDict


class UploadSession(TypedDict):
    """An upload in pieces and how much of it has arrived."""

    id: str
    offset: int
    size_bytes: int
    sha256: str
    kind: str
    file_name: str
    expires_at: str
