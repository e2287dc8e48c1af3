"""The workflow: policies, gates of aliases, upgrades, verdicts."""

from django.conf import settings
from django.db import models

from compat.verdict import Outcome
from registry.catalog.models import TASKS, Alias, Artifact, ModelVersion, RegisteredModel
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

    ``result`` holds the held-out figures of every method; ``incumbent`` is whose space the adapted
    version speaks.
    """

    upgrade = models.ForeignKey(Upgrade, models.PROTECT, related_name="adapter_fits")
    incumbent = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    set_revision = models.ForeignKey(SetRevision, models.PROTECT, related_name="+")
    result = models.JSONField(default=dict, blank=True)
    made = models.ForeignKey(ModelVersion, models.PROTECT, null=True, blank=True, related_name="+")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["upgrade", "incumbent", "set_revision"], name="one_fit_per_set"
            )
        ]

    def __str__(self) -> str:
        return f"adapter of {self.upgrade.candidate} to {self.incumbent} on {self.set_revision}"
