"""The answers of the API as types; a registry may answer with more than is named here."""

from typing import Any, Literal, TypedDict

Outcome = Literal["passed", "inconclusive", "errored", "failed"]


class WorkError(TypedDict):
    """Why a piece of background work failed."""

    code: str
    detail: str


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


class RuleResult(TypedDict):
    """How one rule came out on one evaluation set."""

    rule: str
    evaluation_set: str
    outcome: Outcome
    reason: str
    advisory: bool
    measurement: str
    bound: str
    threshold: float | None
    value: float | None
    lower: float | None
    upper: float | None
    support: int
    settles_at: int | None
    direction: str
    rationale: str


class Coverage(TypedDict):
    """Whether the candidate may meet one producer's vectors."""

    producer: str
    producer_digest: str
    outcome: Outcome
    results: list[RuleResult]


class Verdict(TypedDict):
    """One judgement, with every number that it used."""

    number: int
    kind: str
    outcome: Outcome
    incumbent: str | None
    policy: str
    results: list[RuleResult]
    coverage: list[Coverage]
    comparisons: list[int]
    fingerprint_sha256: str
    created_at: str


class Step(TypedDict):
    """One piece of work that a verdict needs."""

    work: str
    evaluation_set: str
    version: str | None
    state: str
    progress_done: int
    progress_total: int
    error: WorkError | None


class UpgradeSummary(TypedDict):
    """An upgrade as a list shows it."""

    id: int
    state: str
    outcome: Outcome | None
    model: str
    alias: str
    candidate: str
    incumbent: str | None
    superseded_by: int | None
    created_by: str
    created_at: str
    changed_at: str


class Upgrade(UpgradeSummary):
    """An upgrade with its verdict, whether that still stands, and the work behind it."""

    stale: bool
    verdict: Verdict | None
    progress: list[Step]


class Move(TypedDict):
    """One move of an alias."""

    alias: str
    epoch: int
    kind: str
    before: str | None
    version: str
    digest: str
    reason: str
    evidence: str
    actor: str
    at: str


class Cutover(TypedDict):
    """A gallery that was cut over in the same transaction."""

    gallery: str
    epoch: int
    unsearchable_items: int


class Promotion(TypedDict):
    """What was moved, or in a dry run would be."""

    upgrade: int
    dry_run: bool
    move: Move
    cutovers: list[Cutover]


class ShadowCondition(TypedDict):
    """What a shadow has to have shown."""

    queries: int
    overlap: float


class ScheduleSummary(TypedDict):
    """A promotion that was asked for beforehand, and what became of it."""

    id: int
    upgrade: int
    alias: str
    candidate: str
    state: str
    not_before: str
    not_after: str
    after_shadow: ShadowCondition | None
    dual_query: bool
    reason: str
    code: str
    detail: str
    epoch: int | None
    created_by: str
    created_at: str
    ended_at: str | None


class Schedule(ScheduleSummary):
    """A schedule with what it waits for beside its moment."""

    waits_for: str


class WayBack(TypedDict):
    """What the signal of a safeguard would do now."""

    version: str
    unsearchable_items: int
    dual_query: bool
    would_be_refused: bool


class Safeguard(TypedDict):
    """A declared signal, where it stands, and what it would do now."""

    alias: str
    signal: str
    state: str
    armed_hours: int
    armed_until: str | None
    at_most_unsearchable: int
    dual_query: bool
    reason: str
    declared_by: str
    declared_at: str
    way_back: WayBack | None
    explanation: str


class Signal(TypedDict):
    """A signal as it was received, and what it came to."""

    id: int
    alias: str
    signal: str
    firing: bool
    detail: str
    observed_at: str | None
    received_at: str
    sent_by: str | None
    epoch: int
    reaction: str
    code: str
    explanation: str
    version: str | None


class PlannedSegment(TypedDict):
    """Whether one segment would still be searched."""

    segment: int
    producer: str
    live_items: int
    searchable: bool
    evidence: str
    unsearchable_items: int
    returning_items: int


class PlannedGallery(TypedDict):
    """What going back would mean for one gallery."""

    gallery: str
    unsearchable_items: int
    returning_items: int
    segments: list[PlannedSegment]


class RollbackPlan(TypedDict):
    """What going back would mean."""

    alias: str
    target: str
    unsearchable_items: int
    returning_items: int
    galleries: list[PlannedGallery]


class Probation(TypedDict):
    """Whether what is inserted is embedded twice, for a rollback that finds everything."""

    gallery: str
    hours: int
    encoder: str | None
    until: str | None
    batches_done: int
    batches_waiting: int
    batches_failed: int


class Alias(TypedDict):
    """A movable name."""

    alias: str
    name: str
    epoch: int
    version: str | None


class AliasStanding(TypedDict):
    """What an alias names, or named at a moment, and how that came about."""

    alias: str
    name: str
    at: str
    epoch: int
    version: str | None
    digest: str | None
    move: Move | None
    waivers_owed: list["Waiver"]


class PolicyRevision(TypedDict):
    """One immutable revision of a policy."""

    policy: str
    number: int
    document: dict[str, Any]
    text: str
    digest: str
    created_by: str | None
    created_at: str


class PolicyLayer(TypedDict):
    """What one scope sets."""

    scope: str
    policy: str | None


class EffectiveRule(TypedDict):
    """One rule after inheritance: what it does at this level, and where it comes from."""

    part: str
    name: str
    effect: str
    scope: str


class EffectivePolicy(TypedDict):
    """What guards an alias after inheritance."""

    level: str
    document: dict[str, Any]
    origins: dict[str, str]
    rules: list[EffectiveRule]
    layers: list[PolicyLayer]
    digest: str


class PolicyProblem(TypedDict):
    """One thing that is wrong with a policy."""

    line: int | None
    column: int | None
    path: str
    detail: str


class VerifiedPolicy(TypedDict):
    """Whether something is a policy, and if not, why."""

    verified: bool
    task: str | None
    code: str
    detail: str
    line: int | None
    path: str
    problems: list[PolicyProblem]
    document: dict[str, Any] | None
    effective_policy: EffectivePolicy | None


class PolicyScope(TypedDict):
    """What is set for one scope."""

    scope: str
    where: str
    task: str
    group: str
    model: str | None
    alias: str | None
    policy: str | None


class Policy(TypedDict):
    """A named policy."""

    name: str
    task: str
    last_number: int
    created_at: str


class SetRevision(TypedDict):
    """One immutable revision of an evaluation set."""

    revision: str
    number: int
    state: str
    digest: str
    file_name: str
    summary: dict[str, Any]
    times_judged: int
    work_state: str
    error: WorkError | None
    created_by: str
    created_at: str


class Pin(TypedDict):
    """An evaluation-set revision that judges the candidates."""

    evaluation_set: str
    revision: SetRevision


class Gate(TypedDict):
    """What guards an alias."""

    alias: str
    policy: PolicyRevision
    effective_policy: EffectivePolicy
    pins: list[Pin]


class Measurement(TypedDict):
    """One value of one measure on one slice."""

    name: str
    slice: str
    value: float | str | None
    support: int
    direction: str
    count: int | None
    bounds: dict[str, dict[str, float]]
    undefined: str


class HeldOut(TypedDict):
    """What one way of asking was worth on items that nothing was fitted on."""

    name: str
    retained: float
    cosine: float


class Fitted(TypedDict):
    """How an adapter was chosen."""

    method: str
    tried: list[HeldOut]
    stay_old: HeldOut
    fitted: int
    held_out: int


class AdapterFigures(TypedDict):
    """One measure on one judging set, under each way of moving; null where not measured yet."""

    evaluation_set: str
    measure: str
    old_old: Measurement | None
    untouched: Measurement | None
    adapted: Measurement | None
    gain: Measurement | None
    re_embedded: Measurement | None


class Preparation(TypedDict):
    """How far the vectors of one gallery are rewritten for an adapted version."""

    gallery: str
    items: int
    rewritten: int
    is_wanted: bool
    failed_batches: int
    reason: str


class Adapter(TypedDict):
    """An adapter that was asked for, the version that it made, and what was measured of it."""

    id: int
    upgrade: int
    candidate: str
    incumbent: str
    evaluation_set: str
    side: str
    work_state: str
    error: WorkError | None
    result: Fitted | None
    version: str | None
    rewriter: str | None
    version_upgrade: int | None
    preparations: list[Preparation]
    figures: list[AdapterFigures]
    requested_by: str
    created_at: str


class Flip(TypedDict):
    """One sample on which the two versions differ."""

    row: int
    id: str
    label: str
    old: str
    new: str
    has_image: bool


class Comparison(TypedDict):
    """Two versions on one evaluation set."""

    id: int
    old: str
    new: str
    producer: str | None
    evaluation_set: str
    measurements: list[Measurement]
    null_test: dict[str, Any]
    flip_count: int
    work_state: str
    error: WorkError | None


class Decision(TypedDict):
    """A person's yes or no to a candidate, bound to the verdict that it was given on."""

    kind: str
    person: str
    verdict: int
    comment: str
    at: str


class Waiver(TypedDict):
    """An exception to named rules for one candidate, asked for by one person."""

    id: int
    upgrade: int
    candidate: str
    rules: list[str]
    sample_ids: list[str]
    reason: str
    requested_by: str
    requested_at: str
    granted_by: str | None
    granted_at: str | None
    expires_at: str
    expired: bool


class OwedWaiver(Waiver):
    """A waiver under which an alias serves."""

    alias: str


class ModelDetail(Model):
    """A registered model with the waivers under which its aliases serve."""

    card: str
    created_by: str
    waivers_owed: list[OwedWaiver]


class Decisions(TypedDict):
    """Everything that people decided on a candidate, and what it comes to now."""

    outcome: Outcome
    outcome_with_waivers: Outcome
    approvals: int
    approvals_needed: int
    decisions: list[Decision]
    waivers: list[Waiver]
    waivers_in_force: list[int]


class Check(TypedDict):
    """Uploaded outputs that are judged against the incumbent; nothing is registered."""

    id: int
    alias: str
    evaluation_set: str
    incumbent: str | None
    policy: str
    outcome: Outcome | None
    results: list[RuleResult]
    measurements: list[Measurement]
    flips: list[Flip]
    work_state: str
    progress_done: int
    progress_total: int
    error: WorkError | None
    created_at: str


class Gallery(TypedDict):
    """A gallery as a list shows it."""

    name: str
    description: str
    kind: str
    location: str
    engine: str
    model: str
    alias: str
    epoch: int
    encoder: str
    items: int
    created_by: str
    created_at: str


class Segment(TypedDict):
    """Vectors of one producer in a gallery."""

    number: int
    producer: str
    dimension: int
    distance: str
    live_items: int
    accepts_inserts: bool
    searchable: bool
    evidence: str


class DriftFinding(TypedDict):
    """A segment whose canaries are not of the version that is claimed."""

    segment: int
    producer: str
    items: int
    over: int
    worst: float
    tolerance: float
    of: list[str]


class Drift(TypedDict):
    """The alarm of a gallery that no check has cleared."""

    state: str
    in_words: str
    finding: list[DriftFinding]
    check: int
    raised_at: str
    acknowledged_by: str | None
    acknowledged_at: str | None
    reason: str


class Canaries(TypedDict):
    """Canaries that were handed in for one segment."""

    id: int
    segment: int
    producer: str
    rows: int
    tolerance: float
    is_current: bool
    work_state: str
    error: WorkError | None
    created_by: str
    created_at: str


class CheckedSegment(TypedDict):
    """What the canaries of one segment say."""

    segment: int
    producer: str
    handed_in: int | None
    outcome: str
    code: str
    detail: str
    items: int
    undefined: int
    over: int
    tolerance: float | None
    worst: float | None
    worst_id: str
    of: list[str]


class CanaryCheck(TypedDict):
    """A check of all canaries of a gallery."""

    id: int
    gallery: str
    cause: str
    outcome: str | None
    worst: float | None
    segments: list[CheckedSegment]
    work_state: str
    error: WorkError | None
    requested_by: str | None
    requested_at: str
    finished_at: str | None


class GalleryDetail(Gallery):
    """A gallery with its segments."""

    view: int
    drift: Drift | None
    segments: list[Segment]


class ComparedHit(TypedDict):
    """An item that was found, and where the other answer has it."""

    id: str
    score: float
    calibrated: float | None
    segment: int
    producer: str
    label: str | None
    change: str
    by: int
    picture: str


class PreviewSide(TypedDict):
    """One of the two answers to a query."""

    encoder: str
    merged_by: str
    hits: list[ComparedHit]
    skipped: list[dict[str, Any]]
    timings_ms: dict[str, float]


class PreviewQuery(TypedDict):
    """What was asked with."""

    kind: str
    name: str
    row: int | None
    label: str | None
    picture: str


class Preview(TypedDict):
    """A query as users see it now, and as they would after a promotion."""

    gallery: str
    epoch: int
    upgrade: int
    mode: str
    verdict_stands: bool
    searchable_items: int
    unsearchable_items: int
    labels_from: list[str]
    query: PreviewQuery
    live: PreviewSide
    preview: PreviewSide
    overlap_at_10: float | None
    flip: str


class Latency(TypedDict):
    """A histogram of answers by their time."""

    p50_ms_at_most: float | None
    p95_ms_at_most: float | None
    bounds_ms: list[int]
    counts: list[int]


class Shadow(TypedDict):
    """Live queries that a candidate answered too, and what came of them."""

    id: int
    upgrade: int
    state: str
    end: str
    share: float
    ends_at: str | None
    most_queries: int | None
    queries: int
    compared: int
    not_comparable: int
    failed: int
    dropped: int
    last_failure: str
    mean_overlap_at_10: float | None
    overlap_lower: float | None
    overlap_upper: float | None
    top1_changed: int
    live_latency: Latency
    candidate_latency: Latency
    started_by: str
    started_at: str
    ended_at: str | None


class Backfill(TypedDict):
    """Re-embedding of a gallery's items with its live encoder."""

    id: int
    gallery: str
    encoder: str
    state: str
    order: str
    order_note: str
    rate_limit_per_s: float | None
    total: int
    moved: int
    skipped: int
    failed: int
    busy_s: float
    rate_per_s: float | None
    remaining_s: float | None
    ends_at: str | None
    work_state: str
    error: WorkError | None
    created_by: str
    created_at: str
    finished_at: str | None


class Holding(TypedDict):
    """Live items of one version that is not the live encoder."""

    producer: str
    items: int
    with_inputs: int
    inputs_missing: int


class BackfillPlan(TypedDict):
    """What a full backfill to the live encoder would take."""

    encoder: str
    items: int
    movable: int
    inputs_missing: int
    producers: list[Holding]
    rate_per_s: float | None
    rate_measured_in: str
    duration_s: float | None
    price_per_hour: float | None
    cost: float | None
    undefined: str


class LiveEncoder(TypedDict):
    """A version that makes queries, and where its artifact is."""

    version: str
    digest: str
    artifact: str | None
    download: str | None
    dimension: int
    distance: str
    normalisation: str


class ScoreCalibration(TypedDict):
    """What makes scores of different encoders comparable."""

    mean: float
    spread: float
    pairs: int


class LiveSegment(TypedDict):
    """One segment of a live view, and the version that makes its query."""

    segment: int
    producer: str
    dimension: int
    distance: str
    searchable: bool
    encoder: str
    evidence: str
    calibration: ScoreCalibration | None


class LiveView(TypedDict):
    """The live pointer of a gallery: the same answer for the whole of an epoch."""

    gallery: str
    epoch: int
    view: int
    encoder: str
    encoder_digest: str
    encoders: list[LiveEncoder]
    segments: list[LiveSegment]
    drift: Drift | None


class Acknowledgement(TypedDict):
    """The last epoch of a gallery that a consumer has taken over."""

    consumer: str
    epoch: int
    since: str
    behind: int
    behind_since: str | None
    acknowledged_by: str


class Head(TypedDict):
    """Whether the ledger's chain holds, and its last entry."""

    verified: bool
    seq: int | None
    hash: str | None
    detail: str


class Entry(TypedDict):
    """One entry of the ledger."""

    seq: int
    at: str
    actor: str
    action: str
    subject: str
    body: dict[str, Any]
    previous_hash: str
    hash: str


class Event(TypedDict):
    """Something that happened."""

    id: int
    kind: str
    subject: str
    body: dict[str, Any]
    at: str


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


class UploadSession(TypedDict):
    """An upload in pieces and how much of it has arrived."""

    id: str
    offset: int
    size_bytes: int
    sha256: str
    kind: str
    file_name: str
    expires_at: str
