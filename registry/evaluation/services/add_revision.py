"""Add a revision to an evaluation set; the first one opens the set."""

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from compat.policy import Task
from registry.audit.services.record import record
from registry.catalog.models import Artifact
from registry.catalog.services.register_model import require_slug
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import DuplicateError, InvalidInputError
from registry.evaluation.models import EvaluationSet, SetRevision


@transaction.atomic
def add_revision(
    *,
    name: str,
    task: str,
    artifact: Artifact,
    actor: AbstractUser,
    file_name: str = "",
    description: str = "",
) -> SetRevision:
    """Store a revision and queue its inspection; nothing attaches itself to an alias.

    Raises:
        InvalidInputError: no slug, an unknown task, or not the set's task.
        DuplicateError: the set holds a revision of the same bytes.
    """
    require_slug(name)
    if task not in set(Task):
        raise InvalidInputError(f"task must be one of {', '.join(Task)}", code="unknown_task")
    EvaluationSet.objects.get_or_create(
        name=name,
        defaults={
            "task": task,
            "description": description,
            "created_by": actor,
            "created_at": timezone.now(),
        },
    )
    held = EvaluationSet.objects.select_for_update().get(name=name)
    if held.task != task:
        raise InvalidInputError(f"{name} is a set for {held.task}", code="task_mismatch")
    same = held.revisions.filter(artifact=artifact).exclude(state=SetRevision.State.REFUSED).first()
    if same is not None:
        raise DuplicateError(f"{same} has the same bytes", code="duplicate_revision")
    revision = SetRevision.objects.create(
        evaluation_set=held,
        number=held.next_number,
        artifact=artifact,
        file_name=file_name[:255],
        created_by=actor,
        created_at=timezone.now(),
    )
    held.next_number += 1
    held.save(update_fields=["next_number"])
    record(
        actor=actor.get_username(),
        action="evaluation_set.add_revision",
        subject=f"evaluation-set:{revision}",
        digest=artifact.digest,
    )
    send_on_commit(TaskName.INSPECT_EVALUATION_SET, revision.pk)
    return revision
