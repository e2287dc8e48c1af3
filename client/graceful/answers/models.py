"""Registered models, their versions, and where those come from."""

from typing import Any, TypedDict

from graceful.answers.decisions import OwedWaiver
from graceful.answers.work import WorkError


class Serving(TypedDict):
    """An alias of a model and the number of the version that it names."""

    name: str
    version: int | None
    epoch: int


class Model(TypedDict):
    """A registered model and what serves."""

    name: str
    task: str
    group: str
    description: str
    last_number: int
    aliases: list[Serving]
    created_at: str


class Edge(TypedDict):
    """One parent of a version."""

    version: str
    relation: str


class Version(TypedDict):
    """A version with its manifest and what its inspection found."""

    version: str
    model: str
    number: int
    digest: str
    state: str
    error: WorkError | None
    artifact: str | None
    size_bytes: int | None
    file_name: str
    aliases: list[str]
    parents: list[Edge]
    created_by: str
    created_at: str
    manifest: dict[str, Any]
    inspection: dict[str, Any]
    card: str


class Registered(TypedDict):
    """A new version and the upgrade that it opened."""

    version: Version
    upgrade: int


class ModelDetail(Model):
    """A registered model with the waivers under which its aliases serve."""

    card: str
    created_by: str
    waivers_owed: list[OwedWaiver]
