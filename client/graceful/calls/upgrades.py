"""Upgrades of an alias to a candidate."""

from collections.abc import Callable, Iterator

from graceful import answers
from graceful.calls.caller import Caller
from graceful.errors import RefusedError
from graceful.references import PRODUCTION
from graceful.standing import is_settled


class UpgradeCalls(Caller):
    """Open upgrades, wait for their verdicts, and close them."""

    def upgrades(
        self, *, model: str = "", alias: str = "", state: str = ""
    ) -> Iterator[answers.UpgradeSummary]:
        """Yield upgrades, newest first."""
        return self.transport.pages("upgrades", model=model, alias=alias, state=state)

    def upgrade(self, upgrade: int) -> answers.Upgrade:
        """Return an upgrade; a verdict that no longer stands is judged again from then on."""
        return self.transport.get(f"upgrades/{upgrade}")

    def upgrade_to(self, model: str, number: int, *, alias: str = "") -> answers.Upgrade:
        """Return the newest upgrade to a version, of any alias unless one is named.

        Raises:
            RefusedError: there is none (``unknown_upgrade``).
        """
        candidate = f"{model}:{number}"
        for found in self.upgrades(model=model, alias=alias):
            if found["candidate"] == candidate:
                return self.upgrade(found["id"])
        of = f"of {model}@{alias} " if alias else ""
        raise RefusedError(404, "unknown_upgrade", f"no upgrade {of}to {candidate}")

    def open_upgrade(self, model: str, number: int, *, alias: str = PRODUCTION) -> answers.Upgrade:
        """Propose a registered version for an alias, or propose it again."""
        return self._create("upgrades", model=model, version=number, alias=alias)

    def withdraw(self, upgrade: int, *, reason: str = "") -> answers.Upgrade:
        """Close an upgrade that nobody wants any more."""
        return self._create(f"upgrades/{upgrade}/withdraw", reason=reason)

    def supersede(self, upgrade: int, *, by: int, reason: str = "") -> answers.Upgrade:
        """Close an upgrade in favour of another open one of its alias."""
        return self._create(f"upgrades/{upgrade}/supersede", by=by, reason=reason)

    def evaluate_again(self, upgrade: int) -> answers.Upgrade:
        """Have what failed tried again, and the rest judged anew."""
        return self._create(f"upgrades/{upgrade}/evaluate")

    def wait_for_verdict(
        self,
        upgrade: int,
        *,
        timeout_s: float,
        watch: Callable[[answers.Upgrade], None] = lambda _: None,
    ) -> answers.Upgrade:
        """Return the upgrade once it is judged, or closed.

        Args:
            watch: called with the upgrade each time that it was read.

        Raises:
            TimedOutError: it was not judged in time.
        """
        return self.wait(
            lambda: self.upgrade(upgrade),
            is_settled,
            timeout_s=timeout_s,
            watch=watch,
            what=f"the verdict of {upgrade}",
        )
