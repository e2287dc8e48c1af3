"""What was measured: evaluation sets, outputs of versions on them, comparisons of outputs."""

from django.conf import settings
from django.db import models

from registry.catalog.models import TASKS, Artifact, ModelVersion
from registry.core.leases import Work


class EvaluationSet(models.Model):
    """A named, versioned set of labelled data."""

    name = models.SlugField(max_length=100, unique=True)
    task = models.CharField(max_length=20, choices=TASKS)
    description = models.CharField(max_length=300, blank=True)
    next_number = models.PositiveIntegerField(default=1)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class SetRevision(Work):
    """One immutable revision of an evaluation set; the work on this row is its inspection."""

    class State(models.TextChoices):
        INSPECTING = "inspecting"
        READY = "ready"
        REFUSED = "refused"

    evaluation_set = models.ForeignKey(EvaluationSet, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    artifact = models.ForeignKey(Artifact, models.PROTECT, related_name="+")
    file_name = models.CharField(max_length=255, blank=True)
    state = models.CharField(max_length=12, choices=State, default=State.INSPECTING)
    canonical_digest = models.CharField(max_length=64, blank=True)
    summary = models.JSONField(default=dict, blank=True)
    times_judged = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["evaluation_set", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["evaluation_set", "number"], name="one_revision_per_number"
            ),
            models.UniqueConstraint(
                fields=["evaluation_set", "artifact"],
                condition=~models.Q(state="refused"),
                name="one_revision_per_digest",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.evaluation_set.name}:{self.number}"

    @property
    def digest(self) -> str:
        """The digest of the uploaded bytes: what evidence cites."""
        return self.artifact_id


class Outputs(Work):
    """The predictions or embeddings of one version on one evaluation set, stored once."""

    version_digest = models.CharField(max_length=64)
    set_digest = models.CharField(max_length=64)
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="outputs")
    set_revision = models.ForeignKey(SetRevision, models.PROTECT, related_name="outputs")
    recording = models.ForeignKey(Artifact, models.PROTECT, null=True, blank=True, related_name="+")
    file_digest = models.CharField(max_length=64, blank=True)
    result = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        verbose_name_plural = "outputs"
        constraints = [
            models.UniqueConstraint(
                fields=["version_digest", "set_digest"], name="one_set_of_outputs"
            )
        ]

    def __str__(self) -> str:
        return f"{self.version} on {self.set_revision}"


class Comparison(Work):
    """Measurements of two versions on one evaluation set, from their stored outputs.

    ``producer`` names a third version whose vectors are the gallery; empty where it is the old
    version. Old and new are the same digest only in the null test of a first version. ``asks`` is
    what a policy wants measured beyond what always is, ``ancestors`` the outputs of versions that
    were promoted before; both are part of what the comparison is. ``rewritten`` names, by cell, the
    outputs that its queries meet in place of the gallery version's own; that follows from the two.
    """

    old_digest = models.CharField(max_length=64)
    new_digest = models.CharField(max_length=64)
    producer_digest = models.CharField(max_length=64, blank=True)
    set_digest = models.CharField(max_length=64)
    code_version = models.CharField(max_length=32)
    asks = models.JSONField(default=dict, blank=True)
    asks_digest = models.CharField(max_length=64, blank=True)
    ancestors = models.JSONField(default=list, blank=True)
    ancestors_digest = models.CharField(max_length=64, blank=True)
    rewritten = models.JSONField(default=dict, blank=True)
    old_outputs = models.ForeignKey(Outputs, models.PROTECT, related_name="+")
    new_outputs = models.ForeignKey(Outputs, models.PROTECT, related_name="+")
    producer_outputs = models.ForeignKey(
        Outputs, models.PROTECT, null=True, blank=True, related_name="+"
    )
    measurements = models.JSONField(default=list, blank=True)
    null_test = models.JSONField(default=dict, blank=True)
    flips = models.JSONField(default=list, blank=True)
    flip_matrix = models.JSONField(default=dict, blank=True)
    planted = models.JSONField(default=list, blank=True)
    chance = models.FloatField(null=True, blank=True)
    calibration = models.JSONField(default=dict, blank=True)
    samples_digest = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "old_digest",
                    "new_digest",
                    "producer_digest",
                    "set_digest",
                    "code_version",
                    "asks_digest",
                    "ancestors_digest",
                ],
                name="one_comparison",
            )
        ]

    def __str__(self) -> str:
        return f"comparison {self.pk}"
