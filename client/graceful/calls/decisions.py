"""What people decide on a candidate: approvals, rejections, waivers."""

from collections.abc import Iterator, Sequence

from graceful import answers
from graceful.calls.caller import Caller


class DecisionCalls(Caller):
    """Approve, reject, ask for waivers and grant them."""

    def request_waiver(
        self,
        upgrade: int,
        *,
        rules: Sequence[str],
        reason: str,
        expires_at: str,
        sample_ids: Sequence[str] = (),
    ) -> answers.Waiver:
        """Ask that named rules shall not block a candidate; it counts once another grants it.

        Args:
            expires_at: an ISO 8601 moment.
            sample_ids: it then holds only while no other sample flips.
        """
        return self._create(
            f"upgrades/{upgrade}/waivers",
            rules=list(rules),
            sample_ids=list(sample_ids),
            reason=reason,
            expires_at=expires_at,
        )

    def grant_waiver(self, waiver: int) -> answers.Waiver:
        """Grant a waiver that somebody else asked for."""
        return self._create(f"waivers/{waiver}/grant")

    def waivers(self, model: str, alias: str) -> Iterator[answers.Waiver]:
        """Yield the waivers that were asked for at an alias, newest first."""
        return self.transport.pages(f"models/{model}/aliases/{alias}/waivers")

    def decisions(self, upgrade: int) -> answers.Decisions:
        """Return what people decided on a candidate, and the waivers in force."""
        return self.transport.get(f"upgrades/{upgrade}/decisions")

    def approve(self, upgrade: int, *, comment: str = "") -> answers.Decision:
        """Say yes to a candidate; void when its evidence changes."""
        return self._create(f"upgrades/{upgrade}/approve", comment=comment)

    def reject(self, upgrade: int, *, comment: str) -> answers.Decision:
        """Say no to a candidate, and why; that closes its upgrade."""
        return self._create(f"upgrades/{upgrade}/reject", comment=comment)
