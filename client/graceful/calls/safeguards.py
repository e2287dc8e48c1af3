"""Safeguards and the signals that set them off."""

from collections.abc import Iterator

from graceful import answers
from graceful.calls.caller import Caller


class SafeguardCalls(Caller):
    """Declare safeguards, and send them signals."""

    def safeguards(self, model: str, alias: str) -> Iterator[answers.Safeguard]:
        """Yield the signals that roll an alias back, and what each would do now."""
        return self.transport.pages(f"models/{model}/aliases/{alias}/safeguards")

    def declare_safeguard(
        self,
        model: str,
        alias: str,
        signal: str,
        *,
        armed_hours: int,
        at_most_unsearchable: int = 0,
        dual_query: bool = False,
        reason: str = "",
    ) -> answers.Safeguard:
        """Let a signal roll an alias back while it fires soon after a promotion.

        Args:
            at_most_unsearchable: items that going back may cost.
            dual_query: where it would cost items, let each version query its own vectors.
        """
        body = {
            "armed_hours": armed_hours,
            "at_most_unsearchable": at_most_unsearchable,
            "dual_query": dual_query,
            "reason": reason,
        }
        path = f"models/{model}/aliases/{alias}/safeguards/{signal}"
        return self.transport.json("PUT", path, json=body, again=True)

    def remove_safeguard(self, model: str, alias: str, signal: str) -> None:
        """Let a signal roll nothing back any more."""
        self.transport.json("DELETE", f"models/{model}/aliases/{alias}/safeguards/{signal}")

    def send_signal(
        self,
        model: str,
        alias: str,
        signal: str,
        *,
        firing: bool,
        detail: str = "",
        observed_at: str | None = None,
        epoch: int | None = None,
    ) -> answers.Signal:
        """Say that a declared signal fires or no longer does, and return what it came to.

        Args:
            observed_at: an ISO 8601 moment; what was before the promotion rolls nothing back.
            epoch: of the alias, where it is known what was observed.
        """
        body = {
            "signal": signal,
            "firing": firing,
            "detail": detail,
            "observed_at": observed_at,
            "epoch": epoch,
        }
        return self.transport.post(f"models/{model}/aliases/{alias}/signals", body)

    def signals(self, model: str, alias: str) -> Iterator[answers.Signal]:
        """Yield the signals that came for an alias, newest first."""
        return self.transport.pages(f"models/{model}/aliases/{alias}/signals")
