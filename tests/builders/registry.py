"""Rows of the registry; every default makes a valid object, by the services themselves."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from compat.measurement import LEVELS, Direction, Measurement, proportion
from compat.policy import Task
from compat.policy_defaults import DEFAULTS
from compat.verdict import Outcome
from registry.accounts.models import Scope, Token
from registry.accounts.services.tokens import issue_token
from registry.catalog.models import Alias, Artifact, ModelVersion, RegisteredModel
from registry.catalog.services import inspection
from registry.catalog.services.register_model import register_model
from registry.catalog.services.register_version import Parent, register_version
from registry.catalog.services.store_artifact import Upload, store_artifact
from registry.core.data import artifact_store
from registry.core.leases import WorkState
from registry.evaluation.models import Comparison, Outputs, SetRevision
from registry.evaluation.services import comparisons as comparing
from registry.evaluation.services import inspection as set_inspection
from registry.evaluation.services import outputs as computing
from registry.evaluation.services.add_revision import add_revision
from registry.galleries.models import Gallery, InsertBatch
from registry.galleries.services.create_gallery import create_gallery
from registry.galleries.services.insert import insert_vectors
from registry.upgrades.models import EvaluationPin, PolicyRevision, Upgrade
from registry.upgrades.services.advance import advance
from registry.upgrades.services.gates import ensure_alias, pin_set
from registry.upgrades.services.policies import add_policy_revision
from registry.upgrades.services.promote import promote
from registry.upgrades.services.propose import propose

DIMENSION = 4
"""Numbers in a vector of every encoder made here."""

CLASSES = ("cat", "dog", "owl")

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360f8cf500f0003860180"
    "5a347d6b0000000049454e44ae426082"
)
"""A picture of one pixel."""

_numbers = itertools.count(1)


def a_name(kind: str) -> str:
    """Return a name that no other object of this session has."""
    return f"{kind}-{next(_numbers)}"


def a_user(name: str = "", *, is_staff: bool = False) -> User:
    """Return a person without a password."""
    return User.objects.create_user(name or a_name("person"), is_staff=is_staff)


def a_token(
    owner: User | None = None,
    *,
    scopes: Sequence[str] = tuple(Scope.values),
    expired: bool = False,
) -> tuple[Token, str]:
    """Return a token and its secret."""
    token, secret = issue_token(
        owner=owner or a_user(), name="tests", scopes=scopes, lifetime=timedelta(days=30)
    )
    if expired:
        token.expires_at = timezone.now() - timedelta(seconds=1)
        token.save(update_fields=["expires_at"])
    return token, secret


def a_model(name: str = "", *, task: str = Task.CLASSIFICATION) -> RegisteredModel:
    """Return a registered model without versions."""
    return register_model(name=name or a_name("model"), task=task, actor=a_user())


def a_manifest(task: str = Task.CLASSIFICATION, *, recorded: bool = False) -> dict[str, Any]:
    """Return a manifest for ``task``."""
    scores = {"name": "logits", "kind": "logits", "classes": list(CLASSES)}
    vectors = {
        "name": "vector",
        "kind": "embedding",
        "dimension": DIMENSION,
        "normalisation": "l2",
        "distance": "cosine",
    }
    manifest = {
        "schema": 1,
        "format": "recorded" if recorded else "onnx",
        "task": str(task),
        "output": scores if task == Task.CLASSIFICATION else vectors,
    }
    if not recorded:
        manifest["input"] = {"name": "input", "dtype": "float32", "shape": [4]}
    return manifest


def model_bytes() -> bytes:
    """Return bytes that begin like an ONNX graph, different each time; nothing can run them."""
    return b"\x08\x08graph" + str(next(_numbers)).encode()


def table_bytes() -> bytes:
    """Return bytes that begin like an NPZ file, different each time; nothing can read them."""
    return b"PK\x03\x04table" + str(next(_numbers)).encode()


def an_artifact(content: bytes = b"", *, kind: Upload = Upload.MODEL) -> Artifact:
    """Return stored bytes."""
    if not content:
        content = model_bytes() if kind is Upload.MODEL else table_bytes()
    return store_artifact([content], kind=kind)


def a_version(
    model: RegisteredModel | None = None,
    *,
    state: str = ModelVersion.State.READY,
    recorded: bool = False,
    parents: Sequence[Parent] = (),
    card: str = "",
) -> ModelVersion:
    """Return a version, inspected unless ``state`` says otherwise."""
    model = model or a_model()
    version = register_version(
        model_name=model.name,
        manifest=_distinct(a_manifest(model.task, recorded=recorded)),
        actor=model.created_by,
        artifact=None if recorded else an_artifact(),
        file_name="" if recorded else "model.onnx",
        parents=parents,
        card=card,
    )
    return version if recorded else inspect(version, state)


def a_set_revision(
    name: str = "",
    *,
    task: str = Task.CLASSIFICATION,
    state: str = SetRevision.State.READY,
    rows: int = 1000,
) -> SetRevision:
    """Return a revision of an evaluation set, inspected unless ``state`` says otherwise."""
    revision = add_revision(
        name=name or a_name("set"),
        task=task,
        artifact=an_artifact(kind=Upload.TABLE),
        actor=a_user(),
        file_name="set.npz",
    )
    if state == SetRevision.State.INSPECTING:
        return revision
    job = set_inspection.claim(revision_id=revision.pk)
    assert job is not None
    if state == SetRevision.State.REFUSED:
        set_inspection.refuse(job=job, code="invalid_set", detail="the column label is missing")
    else:
        summary = {"rows": rows, "classes": list(CLASSES), "slices": {}}
        set_inspection.accept(job=job, canonical_digest=a_digest(), summary=summary)
    revision.refresh_from_db()
    return revision


def an_alias(model: RegisteredModel | None = None, name: str = "production") -> Alias:
    """Return an alias with the task's default policy and no evaluation set."""
    return ensure_alias(model=model or a_model(), name=name)


def a_pin(alias: Alias, revision: SetRevision | None = None) -> EvaluationPin:
    """Let a revision (a new one by default) judge the candidates of ``alias``."""
    revision = revision or a_set_revision(task=alias.model.task)
    return pin_set(alias=alias, revision=revision, actor=a_user())


def a_policy_document(task: str = Task.CLASSIFICATION) -> dict[str, Any]:
    """Return the default policy of ``task`` with one threshold that nothing else has."""
    document = {**DEFAULTS[Task(task)]}
    first = {**document["rules"][0], "threshold": 0.01 + next(_numbers) / 1e6}
    document["rules"] = [first, *document["rules"][1:]]
    return document


def a_policy_revision(name: str = "", *, task: str = Task.CLASSIFICATION) -> PolicyRevision:
    """Return a revision of a policy that guards nothing yet."""
    return add_policy_revision(
        name=name or a_name("policy"), document=a_policy_document(task), actor=a_user()
    )


def an_upgrade(
    alias: Alias | None = None, *, candidate_state: str = ModelVersion.State.READY
) -> Upgrade:
    """Return an open upgrade that nobody has advanced."""
    alias = alias or an_alias()
    candidate = a_version(alias.model, state=candidate_state)
    return propose(alias=alias, candidate=candidate, actor=candidate.created_by)


def a_judged_upgrade(
    alias: Alias | None = None, *, outcome: Outcome = Outcome.PASSED, flips: int = 3
) -> Upgrade:
    """Return an upgrade whose verdict stands; its alias has at least one pinned set."""
    alias = alias or an_alias()
    if not alias.gate.pins.exists():
        a_pin(alias)
    return judge(an_upgrade(alias), outcome=outcome, flips=flips)


def a_promoted_upgrade(alias: Alias | None = None) -> Upgrade:
    """Return an upgrade that passed and was promoted."""
    upgrade = a_judged_upgrade(alias)
    promotion = promote(upgrade_id=upgrade.pk, actor=upgrade.created_by, reason="it passed")
    upgrade.alias.refresh_from_db()
    if alias is not None:
        alias.refresh_from_db()
    return promotion.upgrade


def judge(upgrade: Upgrade, *, outcome: Outcome = Outcome.PASSED, flips: int = 3) -> Upgrade:
    """Do what the workers do until the upgrade is judged, with measurements made by hand."""
    advance(upgrade_id=upgrade.pk)
    compute_outputs()
    advance(upgrade_id=upgrade.pk)
    compare(outcome=outcome, flips=flips)
    judged = advance(upgrade_id=upgrade.pk)
    assert judged.verdict is not None
    assert judged.verdict.outcome == outcome, judged.verdict.results
    return judged


def compute_outputs() -> None:
    """Finish every queued piece of outputs; the files that it names are not there."""
    for pk in Outputs.objects.filter(work_state=WorkState.QUEUED).values_list("pk", flat=True):
        job = computing.claim(outputs_id=pk)
        assert job is not None
        result = {"rows": 1000, "dimension": 3, "provider": "cpu", "duration_s": 0.1}
        computing.record(job=job, file_digest=a_digest(), result=result)


def compare(*, outcome: Outcome = Outcome.PASSED, flips: int = 3) -> None:
    """Finish every queued comparison with measurements that lead to ``outcome``."""
    for pk in Comparison.objects.filter(work_state=WorkState.QUEUED).values_list("pk", flat=True):
        job = comparing.claim(comparison_id=pk)
        assert job is not None
        if outcome is Outcome.ERRORED:
            comparing.fail(job=job, code="outputs_not_finite", detail="row 3 holds NaN")
        else:
            result = a_comparison_result(job.task, outcome=outcome, flips=flips)
            comparing.record(job=job, result=result, samples_digest=a_digest())


def a_comparison(*, flips: int = 3, task: str = Task.CLASSIFICATION) -> Comparison:
    """Return a finished comparison of two versions."""
    model = a_model(task=task)
    revision = a_set_revision(task=task)
    rows = []
    for _ in range(2):
        rows.append(computing.request_outputs(version=a_version(model), revision=revision))
    compute_outputs()
    for row in rows:
        row.refresh_from_db()
    comparison = comparing.request_comparison(old=rows[0], new=rows[1])
    compare(flips=flips)
    comparison.refresh_from_db()
    return comparison


def a_comparison_result(
    task: str, *, outcome: Outcome = Outcome.PASSED, flips: int = 3
) -> dict[str, Any]:
    """Return what a worker records: measurements of every rule of the default policies."""
    low, high, negative = {
        Outcome.PASSED: (0.02, 0.04, 1),
        Outcome.FAILED: (-0.9, -0.8, 400),
        Outcome.INCONCLUSIVE: (-0.2, 0.2, 10),
    }[outcome]
    return {
        "measurements": [m.as_json() for m in _measurements(task, low, high, negative)],
        "null_test": {"passed": True, "reason": ""},
        "flips": [a_flip(row) for row in range(flips)],
        "flip_matrix": {"cat": {"dog": flips}} if flips else {},
        "planted": [
            {
                "share": 1.0,
                "measurements": [m.as_json() for m in _measurements(task, -0.9, -0.8, 900)],
            }
        ],
        "chance": None,
        "calibration": {
            cell: {"mean": 0.1, "spread": 0.2, "pairs": 5000}
            for cell in ("old_old", "new_old", "new_new", "old_new")
        },
    }


def a_flip(row: int, *, thumbnail: str | bool | None = None) -> dict[str, Any]:
    """Return one sample that went from right to wrong; its picture is in the store."""
    if thumbnail is None:
        thumbnail = artifact_store().write([PNG], max_bytes=len(PNG)).digest
    return {
        "row": row,
        "id": f"sample-{row}",
        "kind": "negative",
        "label": "cat",
        "old": "cat",
        "new": "dog",
        "thumbnail": thumbnail,
    }


def a_gallery(alias: Alias | None = None, name: str = "", *, items: int = 0) -> Gallery:
    """Return a gallery that follows ``alias``, with ``items`` vectors of its encoder."""
    alias = alias or a_promoted_upgrade(an_alias(a_model(task=Task.EMBEDDING))).alias
    gallery = create_gallery(name=name or a_name("gallery"), alias=alias, actor=a_user())
    if items:
        an_insert(gallery, [f"item-{i}" for i in range(items)])
    return gallery


def an_insert(gallery: Gallery, ids: Sequence[str]) -> InsertBatch:
    """Put vectors of the live encoder into ``gallery``."""
    gallery.refresh_from_db()
    vectors = [[float(i), 1.0, 0.0, 0.5] for i, _ in enumerate(ids)]
    return insert_vectors(
        gallery=gallery,
        producer=gallery.live_view.encoder,
        ids=ids,
        vectors=vectors,
        actor=gallery.created_by,
    )


def a_digest() -> str:
    """Return a sha256 of nothing that is stored."""
    return hashlib.sha256(f"digest {next(_numbers)}".encode()).hexdigest()


def _distinct(manifest: dict[str, Any]) -> dict[str, Any]:
    """Recorded outputs have no bytes: the output's name tells one version from the next."""
    manifest["output"]["name"] = a_name("output")
    return manifest


def inspect(version: ModelVersion, state: str = ModelVersion.State.READY) -> ModelVersion:
    """Do what the worker does with an upload: accept it, refuse it, or not yet."""
    if state == ModelVersion.State.INSPECTING:
        return version
    job = inspection.claim(version_id=version.pk)
    assert job is not None
    if state == ModelVersion.State.REFUSED:
        inspection.refuse(job=job, code="invalid_graph", detail="the graph does not parse")
    else:
        found = {"opset": 17, "producer": "tests", "parameters": 12, "inputs": [], "outputs": []}
        inspection.accept(job=job, found=found)
    version.refresh_from_db()
    return version


def _measurements(task: str, low: float, high: float, negative: int) -> list[Measurement]:
    better = Direction.HIGHER_IS_BETTER
    worse = Direction.LOWER_IS_BETTER
    if task == Task.CLASSIFICATION:
        return [
            proportion("nfr", negative, 1000, worse),
            proportion("accuracy.new", 950, 1000, better),
            proportion("accuracy.old", 920, 1000, better),
            _difference("accuracy.new_minus_old", low, high),
            _difference("accuracy.new_minus_majority", low, high),
        ]
    differences = [
        "new_old_minus_old_old",
        "new_new_minus_old_old",
        "new_new_minus_old_new",
        "old_new_minus_old_old",
        "new_new_minus_chance",
        "new_producer_minus_old_producer",
        "new_producer_minus_producer_producer",
    ]
    return [
        proportion("retrieval_nfr", negative, 1000, worse),
        *(_difference(f"map.{name}", low, high) for name in differences),
        _difference("hit_rate_at_1.new_old_minus_old_old", low, high),
    ]


def _difference(name: str, low: float, high: float) -> Measurement:
    bounds: Mapping[str, Mapping[str, float]] = {
        "lower": {repr(level): low for level in LEVELS},
        "upper": {repr(level): high for level in LEVELS},
    }
    return Measurement(
        name,
        (low + high) / 2,
        1000,
        Direction.HIGHER_IS_BETTER,
        bounds=bounds,
        clusters=1000,
        spread=0.5,
    )
