"""The ledger, and events."""

from collections.abc import Iterator
from pathlib import Path

from graceful import answers
from graceful.calls.caller import Caller


class LedgerCalls(Caller):
    """Read what happened."""

    def verify_ledger(self) -> answers.Head:
        """Let the registry walk the whole chain of its ledger."""
        return self.transport.get("ledger/verify")

    def ledger(
        self, *, subject: str = "", action: str = "", actor: str = ""
    ) -> Iterator[answers.Entry]:
        """Yield entries of the ledger, newest first."""
        return self.transport.pages("ledger", subject=subject, action=action, actor=actor)

    def export_ledger(self, target: Path) -> None:
        """Write the whole ledger to a file that ``graceful.ledger`` verifies offline."""
        self._download("ledger/export", target)

    def events(self) -> Iterator[answers.Event]:
        """Yield what happened so far, oldest first."""
        token: str | None = None
        while True:
            answer = self.transport.get("events", page_token=token, page_size=200)
            if not answer["results"]:
                return
            yield from answer["results"]
            token = answer["next_page_token"]
