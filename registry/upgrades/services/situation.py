"""What a verdict depends on, read from the database: the fingerprint, and the evidence."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from compat.measurement import CODE_VERSION
from compat.policy import Policy
from compat.policy_documents import parse_policy
from compat.verdict import Evidence
from registry.audit.chain import canonical
from registry.catalog.models import Alias, ModelVersion
from registry.core.leases import WorkState
from registry.evaluation.models import Comparison, Outputs, SetRevision
from registry.evaluation.selectors import measurements_of, outputs_held
from registry.evaluation.services.comparisons import is_settled, request_comparison
from registry.evaluation.services.outputs import request_outputs
from registry.galleries.selectors import producers_held
from registry.upgrades.models import AliasGate, PolicyRevision, Upgrade


@dataclass(frozen=True)
class Situation:
    """Everything that one verdict is made for; it is stale when any of it moves."""

    alias: Alias
    candidate: ModelVersion
    incumbent: ModelVersion | None
    policy_revision: PolicyRevision
    pins: tuple[SetRevision, ...]
    producers: tuple[ModelVersion, ...]
    outputs: tuple[tuple[str, str, str], ...]

    @property
    def policy(self) -> Policy:
        """The rules in force."""
        return parse_policy(self.policy_revision.document)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """The identity of the situation, as plain data."""
        return {
            "candidate": self.candidate.digest,
            "incumbent": self.incumbent.digest if self.incumbent else None,
            "alias_epoch": self.alias.epoch,
            "policy": self.policy_revision.digest,
            "evaluation_sets": [
                [pin.evaluation_set.name, pin.number, pin.digest] for pin in self.pins
            ],
            "producers": sorted(producer.digest for producer in self.producers),
            "outputs": [list(row) for row in self.outputs],
            "code_version": CODE_VERSION,
        }

    @property
    def fingerprint_sha256(self) -> str:
        """One digest of the fingerprint."""
        return hashlib.sha256(canonical(self.fingerprint).encode()).hexdigest()


@dataclass(frozen=True)
class Asked:
    """One comparison that the verdict needs on one set: made, on its way, or impossible."""

    revision: SetRevision
    comparison: Comparison | None = None
    waiting: bool = False
    missing: str = ""
    error: str = ""
    detail: str = ""

    def as_evidence(self) -> Evidence:
        """Return what the judgement is told about it."""
        name = str(self.revision)
        if self.comparison is None:
            return Evidence(name, missing=self.missing, error=self.error, detail=self.detail)
        null = self.comparison.null_test
        failed = "" if null.get("passed") is True else f"null_test_failed: {null.get('reason')}"
        return Evidence(name, measurements_of(self.comparison), failed if null else None)


def situation_of(upgrade: Upgrade) -> Situation:
    """Read what the upgrade's verdict depends on now."""
    alias = Alias.objects.select_related("model", "version__model").get(pk=upgrade.alias_id)
    gate = AliasGate.objects.select_related("policy_revision").get(alias=alias)
    pins = tuple(
        pin.set_revision for pin in gate.pins.select_related("set_revision__evaluation_set")
    )
    producers = tuple(producers_held(alias).values())
    versions = {v.digest for v in (upgrade.candidate, alias.version, *producers) if v}
    return Situation(
        alias,
        upgrade.candidate,
        alias.version,
        gate.policy_revision,
        pins,
        producers,
        outputs_held(versions, {pin.digest for pin in pins}),
    )


def ask(
    revision: SetRevision,
    old: ModelVersion,
    new: ModelVersion,
    producer: ModelVersion | None = None,
) -> Asked:
    """Ask for a comparison on one set, and first for the outputs that it needs."""
    versions = [v for v in (old, new, producer) if v is not None]
    outputs = [request_outputs(version=v, revision=revision) for v in versions]
    for version, row in zip(versions, outputs, strict=True):
        if row is None:
            return Asked(
                revision, missing="outputs_missing", detail=f"{version} has no recorded outputs"
            )
        if row.work_state == WorkState.FAILED:
            return Asked(revision, error=row.error_code, detail=f"{version}: {row.error_detail}")
    rows: Sequence[Outputs] = [row for row in outputs if row is not None]
    if not all(map(is_settled, rows)):
        return Asked(revision, waiting=True)
    comparison = request_comparison(old=rows[0], new=rows[1], producer=_third(rows))
    if comparison.work_state == WorkState.FAILED:
        return Asked(revision, error=comparison.error_code, detail=comparison.error_detail)
    if not is_settled(comparison):
        return Asked(revision, waiting=True)
    return Asked(revision, comparison)


def _third(rows: Sequence[Outputs]) -> Outputs | None:
    return rows[2] if len(rows) == 3 else None
