"""What exists and what serves: registered models, versions, lineage, aliases."""

from django.conf import settings
from django.db import models

from compat.policy import Task
from registry.core.immutable import WrittenOnce
from registry.core.leases import Work

TASKS = [(task.value, task.value) for task in Task]


class Artifact(models.Model):
    """Stored bytes, named by their sha256; the same bytes are one row."""

    digest = models.CharField(max_length=64, primary_key=True)
    size_bytes = models.BigIntegerField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.digest[:12]


class RegisteredModel(models.Model):
    """A named line of versions."""

    name = models.SlugField(max_length=100, unique=True)
    task = models.CharField(max_length=20, choices=TASKS)
    group = models.SlugField(max_length=100, blank=True)
    description = models.CharField(max_length=300, blank=True)
    card = models.TextField(blank=True)
    next_number = models.PositiveIntegerField(default=1)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ModelVersion(Work):
    """One immutable artifact with its manifest; numbered per line, numbers never reused.

    The work on this row is its inspection.
    """

    class State(models.TextChoices):
        INSPECTING = "inspecting"
        READY = "ready"
        REFUSED = "refused"

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    artifact = models.ForeignKey(Artifact, models.PROTECT, null=True, blank=True)
    file_name = models.CharField(max_length=255, blank=True)
    manifest = models.JSONField()
    digest = models.CharField(max_length=64, db_index=True)
    state = models.CharField(max_length=12, choices=State, default=State.INSPECTING)
    inspection = models.JSONField(default=dict, blank=True)
    card = models.TextField(blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["model", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="one_version_per_number"),
            models.UniqueConstraint(
                fields=["model", "digest"],
                condition=~models.Q(state="refused"),
                name="one_version_per_digest",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model.name}:{self.number}"

    @property
    def is_recorded(self) -> bool:
        """Whether outputs were uploaded instead of weights."""
        return self.artifact_id is None


class LineageEdge(WrittenOnce):
    """How a version came from another one."""

    class Relation(models.TextChoices):
        RETRAINED_FROM = "retrained_from"
        FINE_TUNED_FROM = "fine_tuned_from"
        DISTILLED_FROM = "distilled_from"
        COMPATIBLE_WITH = "compatible_with"
        ADAPTER_OF = "adapter_of"
        INTERPOLATED_FROM = "interpolated_from"
        ENSEMBLED_FROM = "ensembled_from"

    child = models.ForeignKey(ModelVersion, models.PROTECT, related_name="parent_edges")
    parent = models.ForeignKey(ModelVersion, models.PROTECT, related_name="child_edges")
    relation = models.CharField(max_length=20, choices=Relation)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["child", "parent", "relation"], name="one_edge"),
            models.CheckConstraint(
                condition=~models.Q(child=models.F("parent")), name="no_version_is_its_parent"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.child} {self.relation} {self.parent}"


class Alias(models.Model):
    """A protected, movable name for one version; moved by compare-and-swap on its epoch."""

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="aliases")
    name = models.SlugField(max_length=50)
    version = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, blank=True, related_name="aliases"
    )
    epoch = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["model", "name"]
        constraints = [models.UniqueConstraint(fields=["model", "name"], name="one_alias_per_name")]

    def __str__(self) -> str:
        return f"{self.model.name}@{self.name}"


class AliasMove(WrittenOnce):
    """One move of an alias: its history, entry by entry."""

    class Kind(models.TextChoices):
        PROMOTE = "promote"
        ROLL_BACK = "roll_back"

    alias = models.ForeignKey(Alias, models.PROTECT, related_name="moves")
    epoch = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind)
    from_version = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, blank=True, related_name="+"
    )
    to_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    reason = models.TextField(blank=True)
    evidence = models.CharField(max_length=100, blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-epoch"]
        constraints = [
            models.UniqueConstraint(fields=["alias", "epoch"], name="one_move_per_epoch")
        ]

    def __str__(self) -> str:
        return f"{self.alias} epoch {self.epoch}"
