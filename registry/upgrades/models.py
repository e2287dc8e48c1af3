"""The workflow: policies, gates of aliases, upgrades, verdicts."""

from django.conf import settings
from django.db import models

from compat.verdict import Outcome
from registry.catalog.models import (
    TASKS,
    Alias,
    AliasMove,
    Artifact,
    ModelVersion,
    RegisteredModel,
)
from registry.core.immutable import WrittenOnce
from registry.core.leases import Work
from registry.evaluation.models import EvaluationSet, SetRevision
from registry.upgrades.states import State


class Policy(models.Model):
    """A named policy; its revisions carry the rules."""

    name = models.SlugField(max_length=100, unique=True)
    task = models.CharField(max_length=20, choices=TASKS)
    next_number = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "policies"

    def __str__(self) -> str:
        return self.name


class PolicyRevision(WrittenOnce):
    """One immutable policy document."""

    policy = models.ForeignKey(Policy, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    document = models.JSONField()
    text = models.TextField(blank=True)
    digest = models.CharField(max_length=64)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["policy", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["policy", "number"], name="one_policy_per_number"),
            models.UniqueConstraint(fields=["policy", "digest"], name="one_policy_per_digest"),
        ]

    def __str__(self) -> str:
        return f"{self.policy.name}:{self.number}"


class PolicyChoice(models.Model):
    """The policy revision that is set for a scope: what is wider is inherited from it."""

    class Scope(models.TextChoices):
        EVERYTHING = "everything"
        GROUP = "group"
        MODEL = "model"
        ALIAS = "alias"

    scope = models.CharField(max_length=10, choices=Scope)
    task = models.CharField(max_length=20, choices=TASKS)
    group = models.SlugField(max_length=100, blank=True)
    model = models.ForeignKey(RegisteredModel, models.PROTECT, null=True, related_name="+")
    alias = models.OneToOneField(Alias, models.PROTECT, null=True, related_name="policy_choice")
    policy_revision = models.ForeignKey(PolicyRevision, models.PROTECT, related_name="choices")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["task"],
                condition=models.Q(scope="everything"),
                name="one_policy_for_everything",
            ),
            models.UniqueConstraint(
                fields=["task", "group"],
                condition=models.Q(scope="group"),
                name="one_policy_per_group",
            ),
            models.UniqueConstraint(
                fields=["model"], condition=models.Q(scope="model"), name="one_policy_per_model"
            ),
            models.CheckConstraint(
                condition=(
                    models.Q(scope="everything", group="", model=None, alias=None)
                    | (models.Q(scope="group", model=None, alias=None) & ~models.Q(group=""))
                    | models.Q(scope="model", group="", model__isnull=False, alias=None)
                    | models.Q(scope="alias", group="", model=None, alias__isnull=False)
                ),
                name="a_policy_choice_names_its_scope",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.where}: {self.policy_revision}"

    @property
    def where(self) -> str:
        """The scope in words."""
        named = {"group": self.group, "model": self.model, "alias": self.alias}
        name = named.get(self.scope, self.task)
        return f"{self.scope} {name}"


class AliasGate(models.Model):
    """What guards an alias beside its policy: the sets that judge, and the people who approve."""

    alias = models.OneToOneField(Alias, models.PROTECT, related_name="gate")
    approvals_needed = models.PositiveSmallIntegerField(default=0)
    approvers = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+", blank=True)
    uploader_may_approve = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"gate of {self.alias}"


class EvaluationPin(models.Model):
    """One evaluation-set revision that judges the candidates of an alias."""

    gate = models.ForeignKey(AliasGate, models.PROTECT, related_name="pins")
    evaluation_set = models.ForeignKey(EvaluationSet, models.PROTECT, related_name="+")
    set_revision = models.ForeignKey(SetRevision, models.PROTECT, related_name="+")

    class Meta:
        ordering = ["evaluation_set__name"]
        constraints = [
            models.UniqueConstraint(fields=["gate", "evaluation_set"], name="one_pin_per_set")
        ]

    def __str__(self) -> str:
        return f"{self.gate}: {self.set_revision}"


class Upgrade(models.Model):
    """A proposal to move one alias from the incumbent to the candidate."""

    alias = models.ForeignKey(Alias, models.PROTECT, related_name="upgrades")
    candidate = models.ForeignKey(ModelVersion, models.PROTECT, related_name="upgrades")
    state = models.CharField(
        max_length=12, choices=[(s.value, s.value) for s in State], default=State.EVALUATING.value
    )
    verdict = models.ForeignKey("Verdict", models.PROTECT, null=True, related_name="+")
    superseded_by = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["alias", "candidate"], name="one_upgrade_per_candidate"
            ),
            models.CheckConstraint(
                condition=models.Q(superseded_by=None) | models.Q(state=State.SUPERSEDED.value),
                name="only_the_superseded_name_another",
            ),
        ]
        indexes = [models.Index(fields=["state"])]

    def __str__(self) -> str:
        return f"upgrade {self.pk}"


class Verdict(WrittenOnce):
    """One judgement with every number it used; valid only while its fingerprint stands.

    ``policy_revision`` is the most specific one, ``policy`` the whole of what was asked after
    inheritance, and where each part came from.
    """

    class Kind(models.TextChoices):
        COMPARISON = "comparison"
        FIRST_VERSION = "first_version"

    upgrade = models.ForeignKey(Upgrade, models.PROTECT, related_name="verdicts")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=14, choices=Kind)
    outcome = models.CharField(max_length=14, choices=[(o.value, o.value) for o in Outcome])
    incumbent = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, blank=True, related_name="+"
    )
    policy_revision = models.ForeignKey(PolicyRevision, models.PROTECT, related_name="+")
    policy = models.JSONField(default=dict)
    fingerprint = models.JSONField()
    fingerprint_sha256 = models.CharField(max_length=64)
    results = models.JSONField()
    coverage = models.JSONField()
    comparisons = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["upgrade", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["upgrade", "number"], name="one_verdict_per_number")
        ]

    def __str__(self) -> str:
        return f"{self.upgrade} verdict {self.number}"


class Decision(WrittenOnce):
    """A person's yes or no, bound to the verdict that it was given on."""

    class Kind(models.TextChoices):
        APPROVE = "approve"
        REJECT = "reject"

    upgrade = models.ForeignKey(Upgrade, models.PROTECT, related_name="decisions")
    verdict = models.ForeignKey(Verdict, models.PROTECT, related_name="decisions")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind)
    comment = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["verdict", "person"], name="one_decision_per_person")
        ]

    def __str__(self) -> str:
        return f"{self.person} {self.kind} {self.upgrade}"


class Waiver(models.Model):
    """An itemised, expiring exception to named rules for one candidate; it takes two people."""

    upgrade = models.ForeignKey(Upgrade, models.PROTECT, related_name="waivers")
    rules = models.JSONField()
    sample_ids = models.JSONField(default=list, blank=True)
    reason = models.TextField()
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    granted_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(granted_by=None)
                | ~models.Q(granted_by=models.F("requested_by")),
                name="a_waiver_takes_two_people",
            )
        ]

    def __str__(self) -> str:
        return f"waiver {self.pk} of {self.upgrade}"


class Check(Work):
    """A judgement of uploaded outputs against an incumbent; nothing is registered.

    ``chain`` and ``standing`` are the earlier versions that the policy holds it against, too.
    """

    alias = models.ForeignKey(Alias, models.PROTECT, related_name="+")
    set_revision = models.ForeignKey(SetRevision, models.PROTECT, related_name="+")
    upload = models.ForeignKey(Artifact, models.PROTECT, related_name="+")
    manifest = models.JSONField()
    incumbent = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+")
    policy_revision = models.ForeignKey(PolicyRevision, models.PROTECT, null=True, related_name="+")
    policy = models.JSONField(default=dict)
    chain = models.JSONField(default=list, blank=True)
    standing = models.JSONField(default=list, blank=True)
    outcome = models.CharField(max_length=14, blank=True)
    results = models.JSONField(default=list, blank=True)
    measurements = models.JSONField(default=list, blank=True)
    flips = models.JSONField(default=list, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"check {self.pk}"


class AdapterFit(Work):
    """An adapter fitted for a candidate on a set that judges nothing, and the version it made.

    ``result`` holds the held-out figures of every method. On the query side the adapted version
    speaks the space of ``incumbent``. On the gallery side it speaks the candidate's, and meets the
    vectors of ``incumbent`` as ``rewriter`` makes them; ``transform`` makes them from vectors.
    """

    class Side(models.TextChoices):
        QUERY = "query"
        GALLERY = "gallery"

    upgrade = models.ForeignKey(Upgrade, models.PROTECT, related_name="adapter_fits")
    side = models.CharField(max_length=7, choices=Side, default=Side.QUERY)
    incumbent = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    set_revision = models.ForeignKey(SetRevision, models.PROTECT, related_name="+")
    result = models.JSONField(default=dict, blank=True)
    made = models.ForeignKey(ModelVersion, models.PROTECT, null=True, blank=True, related_name="+")
    rewriter = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, blank=True, related_name="+"
    )
    transform = models.ForeignKey(Artifact, models.PROTECT, null=True, blank=True, related_name="+")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["upgrade", "incumbent", "set_revision", "side"], name="one_fit_per_set"
            ),
            models.CheckConstraint(
                condition=models.Q(made=None)
                | models.Q(side="query", rewriter=None, transform=None)
                | models.Q(side="gallery", rewriter__isnull=False, transform__isnull=False),
                name="the_gallery_side_has_a_rewriter",
            ),
        ]

    def __str__(self) -> str:
        return f"adapter of {self.upgrade.candidate} to {self.incumbent} on {self.set_revision}"


class Shadow(models.Model):
    """Live queries that the candidate answers too, for nobody to see, and what came of them.

    Bound to the epoch of the alias that it was started in: figures of another incumbent are never
    added up with these. ``live_latency`` and ``candidate_latency`` count answers by the buckets of
    ``registry.upgrades.latencies``.
    """

    class State(models.TextChoices):
        RUNNING = "running"
        OVER = "over"

    class End(models.TextChoices):
        STOPPED = "stopped"
        TIME = "time"
        QUERIES = "queries"
        UPGRADE_CLOSED = "upgrade_closed"
        ALIAS_MOVED = "alias_moved"

    upgrade = models.ForeignKey(Upgrade, models.PROTECT, related_name="shadows")
    alias_epoch = models.PositiveIntegerField()
    share = models.FloatField()
    ends_at = models.DateTimeField(null=True, blank=True)
    most_queries = models.PositiveIntegerField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    end = models.CharField(max_length=14, choices=End, blank=True)
    queries = models.PositiveIntegerField(default=0)
    compared = models.PositiveIntegerField(default=0)
    not_comparable = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    dropped = models.PositiveIntegerField(default=0)
    overlap_sum = models.FloatField(default=0)
    overlap_square_sum = models.FloatField(default=0)
    top1_changed = models.PositiveIntegerField(default=0)
    live_latency = models.JSONField(default=list, blank=True)
    candidate_latency = models.JSONField(default=list, blank=True)
    last_failure = models.CharField(max_length=300, blank=True)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["upgrade"], condition=models.Q(state="running"), name="one_running_shadow"
            ),
            models.CheckConstraint(
                condition=models.Q(share__gt=0, share__lte=1), name="a_shadow_has_a_share"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    queries=models.F("compared")
                    + models.F("not_comparable")
                    + models.F("failed")
                    + models.F("dropped")
                ),
                name="every_shadowed_query_is_counted_once",
            ),
        ]

    def __str__(self) -> str:
        return f"shadow {self.pk} of {self.upgrade}"


class ScheduledPromotion(models.Model):
    """A promotion that a person asked for beforehand; the gate is asked anew at its moment.

    Where ``shadow_queries`` is set it also waits until so many queries were compared in shadow mode
    with the lower bound of their mean overlap at ``shadow_overlap`` or above. ``code`` and
    ``detail`` say why it ended without a promotion.
    """

    class State(models.TextChoices):
        OPEN = "open"
        DONE = "done"
        REFUSED = "refused"
        EXPIRED = "expired"
        CANCELLED = "cancelled"

    upgrade = models.ForeignKey(Upgrade, models.PROTECT, related_name="schedules")
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    shadow_queries = models.PositiveIntegerField(null=True, blank=True)
    shadow_overlap = models.FloatField(null=True, blank=True)
    dual_query = models.BooleanField(default=False)
    reason = models.TextField(blank=True)
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    code = models.CharField(max_length=64, blank=True)
    detail = models.TextField(blank=True)
    move = models.ForeignKey(AliasMove, models.PROTECT, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["upgrade"],
                condition=models.Q(state="open"),
                name="one_open_schedule_per_upgrade",
            ),
            models.CheckConstraint(
                condition=models.Q(state="done", move__isnull=False)
                | (~models.Q(state="done") & models.Q(move=None)),
                name="a_schedule_that_is_done_names_its_move",
            ),
            models.CheckConstraint(
                condition=models.Q(shadow_queries=None, shadow_overlap=None)
                | models.Q(shadow_queries__isnull=False, shadow_overlap__isnull=False),
                name="a_shadow_condition_is_whole",
            ),
            models.CheckConstraint(
                condition=models.Q(not_after__gt=models.F("not_before")),
                name="a_schedule_ends_after_it_begins",
            ),
        ]

    def __str__(self) -> str:
        return f"schedule {self.pk} of {self.upgrade}"


class Safeguard(models.Model):
    """A declared signal that rolls an alias back for some hours after each promotion.

    What was declared never changes: another declaration withdraws it and is a row of its own.
    """

    alias = models.ForeignKey(Alias, models.PROTECT, related_name="safeguards")
    signal = models.SlugField(max_length=64)
    armed_hours = models.PositiveIntegerField()
    at_most_unsearchable = models.PositiveBigIntegerField(default=0)
    dual_query = models.BooleanField(default=False)
    reason = models.TextField(blank=True)
    declared_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    declared_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["signal", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["alias", "signal"],
                condition=models.Q(withdrawn_at=None),
                name="one_safeguard_per_signal",
            )
        ]

    def __str__(self) -> str:
        return f"safeguard {self.signal} of {self.alias}"


class Signal(WrittenOnce):
    """One signal as it was received, and what it came to.

    ``epoch`` is the alias's when it arrived: it speaks of that promotion and of no later one.
    """

    class Reaction(models.TextChoices):
        ROLLED_BACK = "rolled_back"
        REFUSED = "refused"
        NONE = "none"

    safeguard = models.ForeignKey(Safeguard, models.PROTECT, related_name="signals")
    alias = models.ForeignKey(Alias, models.PROTECT, related_name="+")
    epoch = models.PositiveIntegerField()
    firing = models.BooleanField()
    detail = models.TextField(blank=True)
    observed_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField()
    sent_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    reaction = models.CharField(max_length=11, choices=Reaction)
    code = models.CharField(max_length=64, blank=True)
    explanation = models.TextField(blank=True)
    move = models.ForeignKey(AliasMove, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["alias", "epoch"])]
        constraints = [
            models.UniqueConstraint(
                fields=["alias", "epoch"],
                condition=models.Q(reaction="rolled_back"),
                name="one_automatic_rollback_per_promotion",
            ),
            models.UniqueConstraint(
                fields=["safeguard", "epoch"],
                condition=models.Q(reaction="refused"),
                name="one_refusal_per_promotion",
            ),
            models.CheckConstraint(
                condition=models.Q(reaction="rolled_back", move__isnull=False)
                | (~models.Q(reaction="rolled_back") & models.Q(move=None)),
                name="a_signal_that_rolled_back_names_its_move",
            ),
        ]

    def __str__(self) -> str:
        return f"signal {self.pk} of {self.safeguard}"
