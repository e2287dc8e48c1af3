"""Re-embedding of stored items."""

from collections.abc import Callable, Iterator

from graceful import answers
from graceful.calls.caller import Caller


class BackfillCalls(Caller):
    """Plan, start, steer and await backfills."""

    def backfill_plan(
        self, gallery: str, *, price_per_hour: float | None = None
    ) -> answers.BackfillPlan:
        """Return what a full backfill to the live encoder would take."""
        said = {} if price_per_hour is None else {"price_per_hour": str(price_per_hour)}
        return self.transport.get(f"galleries/{gallery}/backfill-plan", **said)

    def backfills(self, gallery: str) -> Iterator[answers.Backfill]:
        """Yield the backfills of a gallery, newest first."""
        return self.transport.pages(f"galleries/{gallery}/backfills")

    def backfill(self, gallery: str, number: int) -> answers.Backfill:
        """Return how far a backfill has come."""
        return self.transport.get(f"galleries/{gallery}/backfills/{number}")

    def start_backfill(
        self, gallery: str, *, order: str = "random", rate_limit_per_s: float | None = None
    ) -> answers.Backfill:
        """Begin to re-embed, with the live encoder, the items of other versions."""
        path = f"galleries/{gallery}/backfills"
        return self._create(path, order=order, rate_limit_per_s=rate_limit_per_s)

    def steer_backfill(self, gallery: str, number: int, verb: str) -> answers.Backfill:
        """``pause``, ``resume`` or ``stop`` a backfill."""
        return self._create(f"galleries/{gallery}/backfills/{number}/{verb}")

    def wait_for_backfill(
        self,
        gallery: str,
        number: int,
        *,
        timeout_s: float,
        watch: Callable[[answers.Backfill], None] = lambda _: None,
    ) -> answers.Backfill:
        """Return the backfill once it is no longer running.

        Raises:
            TimedOutError: it was still running.
        """
        return self.wait(
            lambda: self.backfill(gallery, number),
            lambda found: found["state"] != "running",
            timeout_s=timeout_s,
            watch=watch,
            what=f"the end of backfill {number}",
        )
