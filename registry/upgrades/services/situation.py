"""What a verdict depends on, read from the database: the fingerprint, and the evidence."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from compat.measurement import CODE_VERSION
from compat.policy import Policy
from compat.verdict import Evidence
from registry.audit.chain import canonical
from registry.catalog.models import Alias, AliasMove, ModelVersion
from registry.catalog.rewriting import rewriter
from registry.core.leases import WorkState
from registry.evaluation.models import Comparison, SetRevision
from registry.evaluation.selectors import measurements_of, outputs_held, planted_of
from registry.evaluation.services.comparisons import is_settled, request_comparison
from registry.evaluation.services.outputs import request_outputs
from registry.galleries.selectors import producers_held
from registry.upgrades.effective_policies import EffectivePolicy, effective_policy
from registry.upgrades.models import AliasGate, Upgrade


@dataclass(frozen=True)
class Situation:
    """Everything that one verdict is made for; it is stale when any of it moves.

    Attributes:
        standing: earlier versions, beside the incumbent, whose promises still stand; empty unless
            the level is transitive.
        chain: versions promoted before, the incumbent among them; empty unless a rule asks.
    """

    alias: Alias
    candidate: ModelVersion
    incumbent: ModelVersion | None
    effective: EffectivePolicy
    pins: tuple[SetRevision, ...]
    producers: tuple[ModelVersion, ...]
    outputs: tuple[tuple[str, str, str], ...]
    standing: tuple[ModelVersion, ...] = ()
    chain: tuple[ModelVersion, ...] = ()

    @property
    def policy(self) -> Policy:
        """The rules in force."""
        return self.effective.rules

    @property
    def versions(self) -> list[ModelVersion]:
        """Every version whose outputs are needed, each once."""
        wanted = (self.candidate, self.incumbent, *self.producers, *self.standing, *self.chain)
        wanted += tuple(
            rewriter(asking, stored)
            for asking in (self.candidate, self.incumbent)
            for stored in wanted
            if asking is not None and stored is not None
        )
        return list({v.digest: v for v in wanted if v is not None}.values())

    @property
    def fingerprint(self) -> dict[str, Any]:
        """The identity of the situation, as plain data."""
        return {
            "candidate": self.candidate.digest,
            "incumbent": self.incumbent.digest if self.incumbent else None,
            "alias_epoch": self.alias.epoch,
            "policy": self.effective.digest,
            "evaluation_sets": [
                [pin.evaluation_set.name, pin.number, pin.digest] for pin in self.pins
            ],
            "producers": sorted(producer.digest for producer in self.producers),
            "standing": sorted(version.digest for version in self.standing),
            "chain": sorted(version.digest for version in self.chain),
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

    def as_evidence(self, against: str = "") -> Evidence:
        """Return what the judgement is told about it, held against an earlier version or not."""
        name = str(self.revision)
        if self.comparison is None:
            return Evidence(
                name,
                missing=self.missing,
                error=self.error,
                detail=self.detail,
                against=against,
            )
        null = self.comparison.null_test
        failed = "" if null.get("passed") is True else f"null_test_failed: {null.get('reason')}"
        return Evidence(
            name,
            measurements_of(self.comparison),
            failed if null else None,
            against=against,
            planted=planted_of(self.comparison),
        )


def situation_of(upgrade: Upgrade) -> Situation:
    """Read what the upgrade's verdict depends on now."""
    alias = Alias.objects.select_related("model", "version__model").get(pk=upgrade.alias_id)
    gate = AliasGate.objects.get(alias=alias)
    effective = effective_policy(alias)
    pins = tuple(
        pin.set_revision for pin in gate.pins.select_related("set_revision__evaluation_set")
    )
    producers = tuple(producers_held(alias).values())
    chain = promoted(alias, effective.rules) if alias.version else ()
    situation = Situation(
        alias,
        upgrade.candidate,
        alias.version,
        effective,
        pins,
        producers,
        (),
        standing_versions(alias, effective.rules, producers, upgrade.candidate),
        chain if effective.rules.asks_for_chain else (),
    )
    digests = {version.digest for version in situation.versions}
    return replace(situation, outputs=outputs_held(digests, {pin.digest for pin in pins}))


def promoted(alias: Alias, policy: Policy) -> tuple[ModelVersion, ...]:
    """Return the versions of the last promotions of an alias, the latest first, each once."""
    moves = alias.moves.filter(kind=AliasMove.Kind.PROMOTE).select_related("to_version__model")
    latest = moves.order_by("-epoch")[: policy.promotions]
    return tuple({move.to_version_id: move.to_version for move in latest}.values())


def standing_versions(
    alias: Alias,
    policy: Policy,
    producers: Sequence[ModelVersion],
    candidate: ModelVersion | None = None,
) -> tuple[ModelVersion, ...]:
    """Return the earlier versions, beside the incumbent, whose promises still stand.

    A live alias names them, a gallery holds their vectors, or they are within the promotions that
    the policy counts.
    """
    if not policy.level.is_transitive or alias.version is None:
        return ()
    named = ModelVersion.objects.filter(
        pk__in=alias.model.aliases.exclude(version=None).values("version")
    ).select_related("model")
    found = {v.digest: v for v in [*named, *producers, *promoted(alias, policy)]}
    for version in (alias.version, candidate):
        if version is not None:
            found.pop(version.digest, None)
    return tuple(found.values())


def ask(
    revision: SetRevision,
    old: ModelVersion,
    new: ModelVersion,
    producer: ModelVersion | None = None,
    chain: Sequence[ModelVersion] = (),
    asks: Mapping[str, Any] | None = None,
) -> Asked:
    """Ask for a comparison on one set, and first for the outputs that it needs."""
    named = {"old": old, "new": new, "producer": producer}
    rewriters = _rewriters(old, new, producer)
    for version in rewriters.values():
        if version.state == ModelVersion.State.INSPECTING:
            return Asked(revision, waiting=True)
        if version.state == ModelVersion.State.REFUSED:
            detail = f"{version}: {version.error_detail}"
            return Asked(revision, error=version.error_code, detail=detail)
    versions = [v for v in named.values() if v is not None] + [*chain, *rewriters.values()]
    outputs = [request_outputs(version=v, revision=revision) for v in versions]
    for version, row in zip(versions, outputs, strict=True):
        if row is None:
            return Asked(
                revision, missing="outputs_missing", detail=f"{version} has no recorded outputs"
            )
        if row.work_state == WorkState.FAILED:
            return Asked(revision, error=row.error_code, detail=f"{version}: {row.error_detail}")
    rows = {row.version_digest: row for row in outputs if row is not None}
    if not all(map(is_settled, rows.values())):
        return Asked(revision, waiting=True)
    comparison = request_comparison(
        old=rows[old.digest],
        new=rows[new.digest],
        producer=rows[producer.digest] if producer else None,
        ancestors=[rows[version.digest] for version in chain],
        asks=asks,
        rewritten={cell: rows[version.digest] for cell, version in rewriters.items()},
    )
    if comparison.work_state == WorkState.FAILED:
        return Asked(revision, error=comparison.error_code, detail=comparison.error_detail)
    if not is_settled(comparison):
        return Asked(revision, waiting=True)
    return Asked(revision, comparison)


def _rewriters(
    old: ModelVersion, new: ModelVersion, producer: ModelVersion | None
) -> dict[str, ModelVersion]:
    """Return, by cell, the version that rewrites what its queries meet, where one does."""
    pairs = {"new_old": (new, old), "old_new": (old, new)}
    if producer is not None:
        pairs |= {"new_producer": (new, producer), "old_producer": (old, producer)}
    found = {cell: rewriter(*pair) for cell, pair in pairs.items()}
    return {cell: version for cell, version in found.items() if version is not None}
