"""Which encoder answers which index: galleries, segments, views, items, cutovers, backfills."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from compat.drift import DriftOutcome
from registry.catalog.models import Alias, Artifact, ModelVersion
from registry.core.immutable import WrittenOnce
from registry.core.leases import Work

DRIFT_OUTCOMES = [(outcome.value, outcome.value) for outcome in DriftOutcome]


class Gallery(models.Model):
    """A searchable collection that follows an alias; its live pointer is (epoch, live view).

    Of an attached one the vectors are in another team's index: ``location`` says where, for people
    to read, and the owner declares the counts of its segments. ``engine`` searches what is
    published of an embedded one; chunk files hold every vector, whatever searches them. On
    probation, until a time, what is inserted is embedded by the former encoder as well, so that a
    rollback finds it.
    """

    class Kind(models.TextChoices):
        EMBEDDED = "embedded"
        ATTACHED = "attached"

    class Engine(models.TextChoices):
        FILES = "files", "FAISS files"
        PGVECTOR = "pgvector", "PostgreSQL with pgvector"
        MILVUS = "milvus", "Milvus"

    name = models.SlugField(max_length=100, unique=True)
    alias = models.ForeignKey(Alias, models.PROTECT, related_name="galleries")
    description = models.CharField(max_length=300, blank=True)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.EMBEDDED)
    location = models.CharField(max_length=500, blank=True)
    engine = models.CharField(max_length=10, choices=Engine, default=Engine.FILES)
    epoch = models.PositiveIntegerField(default=0)
    live_view = models.ForeignKey("View", models.PROTECT, null=True, related_name="+")
    probation_hours = models.PositiveIntegerField(default=7 * 24)
    probation_encoder = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, blank=True, related_name="+"
    )
    probation_until = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "galleries"
        constraints = [
            models.CheckConstraint(
                condition=(Q(kind="embedded") & Q(location=""))
                | (Q(kind="attached") & ~Q(location="")),
                name="an_attached_gallery_says_where",
            ),
            models.CheckConstraint(
                condition=Q(probation_encoder=None, probation_until=None)
                | Q(probation_encoder__isnull=False, probation_until__isnull=False),
                name="a_probation_has_an_encoder_and_an_end",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_attached(self) -> bool:
        """Whether its vectors are in an index of its owner."""
        return self.kind == self.Kind.ATTACHED


class Segment(Work):
    """The part of a gallery whose vectors live in one version's space.

    The work on this row is its index: built once it has grown by enough, and for good with the
    count after the cutover that sealed it. Batches whose rows the index holds carry its digest.
    """

    class State(models.TextChoices):
        INSERT = "insert"
        SEALED = "sealed"

    gallery = models.ForeignKey(Gallery, models.PROTECT, related_name="segments")
    number = models.PositiveIntegerField()
    producer = models.ForeignKey(ModelVersion, models.PROTECT, related_name="segments")
    dimension = models.PositiveIntegerField()
    distance = models.CharField(max_length=20)
    state = models.CharField(max_length=8, choices=State, default=State.INSERT)
    live_items = models.PositiveIntegerField(default=0)
    revision = models.PositiveBigIntegerField(default=0)
    sealed_rows = models.PositiveIntegerField(null=True, blank=True)
    index_digest = models.CharField(max_length=64, blank=True)
    index_kind = models.CharField(max_length=10, blank=True)
    index_note = models.CharField(max_length=300, blank=True)
    indexed_rows = models.PositiveIntegerField(default=0)
    recall_at_10 = models.FloatField(null=True, blank=True)

    class Meta:
        ordering = ["gallery", "number"]
        constraints = [
            models.UniqueConstraint(fields=["gallery", "number"], name="one_segment_per_number"),
            models.UniqueConstraint(
                fields=["gallery"], condition=Q(state="insert"), name="one_insert_segment"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gallery} segment {self.number}"


class View(WrittenOnce):
    """An immutable plan: which encoder queries which segment, and where inserts go."""

    gallery = models.ForeignKey(Gallery, models.PROTECT, related_name="views")
    number = models.PositiveIntegerField()
    encoder = models.ForeignKey(ModelVersion, models.PROTECT, related_name="views")
    insert_segment = models.ForeignKey(Segment, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["gallery", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["gallery", "number"], name="one_view_per_number")
        ]

    def __str__(self) -> str:
        return f"{self.gallery} view {self.number}"


class ViewSegment(WrittenOnce):
    """One segment inside a view and the version that makes its query.

    Where ``twins_by`` names a version, its query meets what that one has made of the segment's
    batches as well. Otherwise it meets the vectors of the segment's producer, and without evidence
    for that pair the segment is not searched. ``calibration`` makes its scores comparable with
    those of other pairs; it is there wherever versions other than the view's encoder ask.
    """

    view = models.ForeignKey(View, models.PROTECT, related_name="entries")
    segment = models.ForeignKey(Segment, models.PROTECT, related_name="+")
    encoder = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    searchable = models.BooleanField()
    twins_by = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, blank=True, related_name="+"
    )
    evidence = models.CharField(max_length=100, blank=True)
    calibration = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["segment"]
        constraints = [
            models.UniqueConstraint(fields=["view", "segment"], name="one_entry_per_segment"),
            models.CheckConstraint(
                condition=Q(searchable=False) | ~Q(evidence=""),
                name="a_searched_segment_has_evidence",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.view}: {self.segment}"


class Cutover(WrittenOnce):
    """One move of a gallery's live pointer."""

    gallery = models.ForeignKey(Gallery, models.PROTECT, related_name="cutovers")
    epoch = models.PositiveIntegerField()
    from_view = models.ForeignKey(View, models.PROTECT, null=True, related_name="+")
    to_view = models.ForeignKey(View, models.PROTECT, related_name="+")
    alias_epoch = models.PositiveIntegerField()
    unsearchable_items = models.PositiveIntegerField(default=0)
    at = models.DateTimeField()

    class Meta:
        ordering = ["gallery", "-epoch"]
        constraints = [
            models.UniqueConstraint(fields=["gallery", "epoch"], name="one_cutover_per_epoch")
        ]

    def __str__(self) -> str:
        return f"{self.gallery} epoch {self.epoch}"


class Acknowledgement(models.Model):
    """The last epoch of a gallery that one of its consumers has taken over."""

    gallery = models.ForeignKey(Gallery, models.PROTECT, related_name="acknowledgements")
    consumer = models.SlugField(max_length=100, db_index=False)
    epoch = models.PositiveIntegerField()
    since = models.DateTimeField()
    acknowledged_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    class Meta:
        ordering = ["consumer"]
        constraints = [
            models.UniqueConstraint(
                fields=["gallery", "consumer"], name="one_acknowledgement_per_consumer"
            )
        ]

    def __str__(self) -> str:
        return f"{self.consumer} at epoch {self.epoch}"


class InsertBatch(Work):
    """Items that were handed in together; once done, one immutable chunk file of its segment."""

    gallery = models.ForeignKey(Gallery, models.PROTECT, related_name="batches")
    upload = models.ForeignKey(Artifact, models.PROTECT, null=True, blank=True, related_name="+")
    segment = models.ForeignKey(Segment, models.PROTECT, null=True, related_name="batches")
    chunk_digest = models.CharField(max_length=64, blank=True)
    index_digest = models.CharField(max_length=64, blank=True)
    rows = models.PositiveIntegerField(default=0)
    backfill = models.ForeignKey(
        "Backfill", models.PROTECT, null=True, blank=True, related_name="batches"
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        verbose_name_plural = "insert batches"

    def __str__(self) -> str:
        return f"{self.gallery} batch {self.pk}"


class Twin(Work):
    """The rows of a batch, embedded once more by another version: one chunk file, row by row alike.

    The work on this row is that embedding; with a ``transform`` it is made of the vectors instead.
    """

    batch = models.ForeignKey(InsertBatch, models.PROTECT, related_name="twins")
    encoder = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    transform = models.ForeignKey(Artifact, models.PROTECT, null=True, blank=True, related_name="+")
    chunk_digest = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["batch", "encoder"], name="one_twin_per_batch_and_encoder"
            )
        ]

    def __str__(self) -> str:
        return f"{self.batch} by {self.encoder}"


class Rewriting(models.Model):
    """What makes the vectors of one version in a gallery into those of another: from vectors alone.

    While it is wanted, every batch of ``producer`` gets a twin of ``encoder`` by ``transform``.
    """

    gallery = models.ForeignKey(Gallery, models.PROTECT, related_name="rewritings")
    producer = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    encoder = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    transform = models.ForeignKey(Artifact, models.PROTECT, related_name="+")
    is_wanted = models.BooleanField(default=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["gallery", "encoder"], name="one_rewriting_per_gallery_and_encoder"
            )
        ]

    def __str__(self) -> str:
        return f"{self.gallery}: {self.producer} by {self.encoder}"


class Item(models.Model):
    """One item: its external id and where its vector lies. What has no row is no item.

    A backfill writes a new row for each item that it moves. ``input_batch`` and ``input_row`` say
    where the input of such a row lies; empty, it lies in the upload of its own batch, if any.
    """

    gallery = models.ForeignKey(Gallery, models.PROTECT, related_name="items")
    segment = models.ForeignKey(Segment, models.PROTECT, related_name="items")
    batch = models.ForeignKey(InsertBatch, models.PROTECT, related_name="items")
    row = models.PositiveIntegerField()
    external_id = models.CharField(max_length=200)
    metadata = models.JSONField(default=dict, blank=True)
    input_batch = models.ForeignKey(
        InsertBatch, models.PROTECT, null=True, blank=True, related_name="+"
    )
    input_row = models.PositiveIntegerField(null=True, blank=True)
    removed_at_revision = models.PositiveBigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["gallery", "external_id"],
                condition=Q(removed_at_revision=None),
                name="one_live_item_per_id",
            ),
            models.UniqueConstraint(fields=["batch", "row"], name="one_item_per_row"),
        ]
        indexes = [
            models.Index(fields=["segment", "id"]),
            models.Index(F("segment"), F("removed_at_revision"), name="item_removed"),
        ]

    def __str__(self) -> str:
        return self.external_id


class Backfill(Work):
    """Re-embedding of items whose vectors another version made; the work is its next step.

    Every position of the order that was drawn up is moved, skipped or failed, once.
    """

    class State(models.TextChoices):
        RUNNING = "running"
        PAUSED = "paused"
        STOPPED = "stopped"
        DONE = "done"
        SUPERSEDED = "superseded"

    class Order(models.TextChoices):
        RANDOM = "random"
        OLDEST = "oldest"
        PREDICTED_GAIN = "predicted_gain"

    gallery = models.ForeignKey(Gallery, models.PROTECT, related_name="backfills")
    encoder = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    epoch = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    order = models.CharField(max_length=14, choices=Order, default=Order.RANDOM)
    order_note = models.CharField(max_length=500, blank=True)
    order_digest = models.CharField(max_length=64, blank=True)
    rate_limit_per_s = models.FloatField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    group_rows = models.PositiveIntegerField()
    total = models.PositiveIntegerField()
    moved = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    failures = models.JSONField(default=list, blank=True)
    busy_s = models.FloatField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["gallery"],
                condition=Q(state__in=["running", "paused"]),
                name="one_open_backfill",
            ),
            models.CheckConstraint(
                condition=Q(total__gte=F("moved") + F("skipped") + F("failed")),
                name="no_position_is_handled_twice",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gallery} backfill {self.pk}"

    @property
    def handled(self) -> int:
        """How many positions of the order are behind it: where the next step begins."""
        return self.moved + self.skipped + self.failed

    @property
    def is_open(self) -> bool:
        """Whether it may still move items."""
        return self.state in {self.State.RUNNING, self.State.PAUSED}


class CanarySet(Work):
    """Canaries that the owner of an attached gallery handed in for one segment.

    The work on this row is the inspection of the upload. The last set that was accepted is the
    current one of its segment; the former stay.
    """

    gallery = models.ForeignKey(Gallery, models.PROTECT, related_name="canary_sets")
    segment = models.ForeignKey(Segment, models.PROTECT, related_name="canary_sets")
    upload = models.ForeignKey(Artifact, models.PROTECT, related_name="+")
    tolerance = models.FloatField()
    rows = models.PositiveIntegerField(default=0)
    is_current = models.BooleanField(default=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["segment"], condition=Q(is_current=True), name="one_current_canary_set"
            )
        ]

    def __str__(self) -> str:
        return f"{self.segment} canaries {self.pk}"


class CanaryCheck(Work):
    """One comparison of canaries with what the claimed encoders make of them now.

    ``results`` has one entry a segment with items. ``newest_segment`` is the last one that had
    canaries when the check was asked for.
    """

    class Cause(models.TextChoices):
        SCHEDULE = "schedule", "on schedule"
        NEW_ENCODER = "new_encoder", "first items of an encoder"
        HANDED_IN = "handed_in", "canaries handed in"
        PERSON = "person", "a person asked"

    gallery = models.ForeignKey(Gallery, models.PROTECT, related_name="canary_checks")
    cause = models.CharField(max_length=12, choices=Cause)
    newest_segment = models.PositiveIntegerField()
    outcome = models.CharField(max_length=8, choices=DRIFT_OUTCOMES, blank=True)
    results = models.JSONField(default=list, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    requested_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["gallery"],
                condition=Q(work_state__in=["queued", "running"]),
                name="one_open_canary_check",
            )
        ]
        indexes = [models.Index(fields=["gallery", "requested_at"], name="canary_check_of")]

    def __str__(self) -> str:
        return f"{self.gallery} canary check {self.pk}"

    @property
    def worst(self) -> float | None:
        """The greatest drift of any canary; None where none was compared."""
        found = [one["worst"] for one in self.results if one.get("worst") is not None]
        return max(found, default=None)


class DriftAlarm(models.Model):
    """The canaries of a gallery say that another encoder made its vectors.

    While it is open no promotion cuts the gallery over. A person may acknowledge it: then it stands
    without closing the gate, and only another finding opens it again. A check that matches clears
    it.
    """

    class State(models.TextChoices):
        OPEN = "open"
        ACKNOWLEDGED = "acknowledged"
        CLEARED = "cleared"

    gallery = models.ForeignKey(Gallery, models.PROTECT, related_name="drift_alarms")
    state = models.CharField(max_length=12, choices=State, default=State.OPEN)
    raised_by = models.ForeignKey(CanaryCheck, models.PROTECT, related_name="+")
    last_check = models.ForeignKey(CanaryCheck, models.PROTECT, related_name="+")
    finding = models.JSONField()
    raised_at = models.DateTimeField()
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    cleared_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["gallery"],
                condition=Q(state__in=["open", "acknowledged"]),
                name="one_standing_drift_alarm",
            ),
            models.CheckConstraint(
                condition=~Q(state="acknowledged")
                | (Q(acknowledged_by__isnull=False) & ~Q(reason="")),
                name="an_acknowledgement_names_who_and_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gallery} drift alarm {self.pk}"

    @property
    def is_open(self) -> bool:
        """Whether it keeps promotions from cutting the gallery over."""
        return self.state == self.State.OPEN
