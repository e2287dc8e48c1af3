"""Find lost work and ask for it again."""

from registry.catalog.models import ModelVersion
from registry.core import leases
from registry.core.dispatch import TaskName, send_on_commit
from registry.evaluation.models import Comparison, Outputs, SetRevision


def sweep() -> int:
    """Resend what nobody holds and fail what was lost too often; return how many were resent."""
    leases.give_up_lost(ModelVersion, state=ModelVersion.State.REFUSED)
    leases.give_up_lost(SetRevision, state=SetRevision.State.REFUSED)
    leases.give_up_lost(Outputs)
    leases.give_up_lost(Comparison)
    sent = 0
    for name, queryset in (
        (TaskName.INSPECT_VERSION, ModelVersion.objects.filter(state="inspecting")),
        (TaskName.INSPECT_EVALUATION_SET, SetRevision.objects.all()),
        (TaskName.COMPUTE_OUTPUTS, Outputs.objects.all()),
        (TaskName.COMPARE, Comparison.objects.all()),
    ):
        for pk in leases.waiting(queryset):
            send_on_commit(name, pk)
            sent += 1
    return sent
