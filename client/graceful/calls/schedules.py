"""Promotions that are asked for beforehand."""

from collections.abc import Iterator

from graceful import answers
from graceful.calls.caller import Caller


class ScheduleCalls(Caller):
    """Ask for a promotion beforehand, and cancel that."""

    def schedule(
        self,
        upgrade: int,
        *,
        not_before: str | None = None,
        not_after: str | None = None,
        after_shadow: answers.ShadowCondition | None = None,
        dual_query: bool = False,
        reason: str = "",
    ) -> answers.Schedule:
        """Have a candidate promoted later; the gate is asked now, and anew at that moment.

        Args:
            not_before: an ISO 8601 moment; now, where there is a condition to wait for.
            not_after: when it expires; a day after ``not_before`` unless told.
            after_shadow: what a shadow has to have shown by then.
            dual_query: let each version go on to query its own vectors.
        """
        return self._create(
            f"upgrades/{upgrade}/schedule",
            not_before=not_before,
            not_after=not_after,
            after_shadow=after_shadow,
            dual_query=dual_query,
            reason=reason,
        )

    def schedules(
        self, *, model: str = "", alias: str = "", state: str = ""
    ) -> Iterator[answers.ScheduleSummary]:
        """Yield promotions that were asked for beforehand, newest first."""
        return self.transport.pages("schedules", model=model, alias=alias, state=state)

    def read_schedule(self, schedule: int) -> answers.Schedule:
        """Return a schedule with what it waits for."""
        return self.transport.get(f"schedules/{schedule}")

    def cancel_schedule(self, schedule: int, *, reason: str = "") -> answers.Schedule:
        """Cancel a promotion that was asked for beforehand."""
        return self._create(f"schedules/{schedule}/cancel", reason=reason)
