"""Tokens of an account."""

from typing import TypedDict


class Token(TypedDict):
    """A token without its secret."""

    id: int
    name: str
    prefix: str
    scopes: list[str]
    created_at: str
    expires_at: str
    revoked_at: str | None
    last_used_at: str | None
