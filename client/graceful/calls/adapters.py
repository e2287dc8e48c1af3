"""Adapters of a candidate."""

from collections.abc import Iterator

from graceful import answers
from graceful.calls.caller import Caller


class AdapterCalls(Caller):
    """Ask for adapters of a candidate."""

    def fit_adapter(
        self, upgrade: int, evaluation_set: str, *, side: str = "query"
    ) -> answers.Adapter:
        """Ask for an adapter of a candidate; asked twice, it is fitted once.

        Args:
            evaluation_set: a revision that does not judge the alias, such as ``pool:1``.
            side: ``query`` maps queries into the old space, ``gallery`` stored vectors into
                the new one.
        """
        return self._create(
            f"upgrades/{upgrade}/adapters", evaluation_set=evaluation_set, side=side
        )

    def adapters(self, upgrade: int) -> Iterator[answers.Adapter]:
        """Yield the adapters of a candidate, newest first."""
        return self.transport.pages(f"upgrades/{upgrade}/adapters")
