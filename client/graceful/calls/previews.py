"""How a candidate would answer: previews and shadows."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from graceful import answers
from graceful.calls.caller import Caller


class PreviewCalls(Caller):
    """Put queries to a candidate that does not serve yet."""

    def preview(
        self, gallery: str, upgrade: int, *, labels_from: str = "", k: int = 10, **query: Any
    ) -> answers.Preview:
        """Return the live answer to a query and the one that a promotion would make of it.

        Args:
            labels_from: a set that labels items by their ids, such as ``pool:1``.
            query: one of ``input``, ``item_id`` and ``sample``.
        """
        body = {"upgrade": upgrade, "k": k, **query}
        if labels_from:
            body["labels_from"] = labels_from
        return self.transport.post(f"galleries/{gallery}/preview", body)

    def start_shadow(
        self,
        upgrade: int,
        share: float,
        *,
        ends_at: datetime | None = None,
        most_queries: int | None = None,
    ) -> answers.Shadow:
        """Put a share of live queries, above 0 and at most 1, to the candidate too."""
        return self._create(
            f"upgrades/{upgrade}/shadows",
            share=share,
            ends_at=ends_at.isoformat() if ends_at else None,
            most_queries=most_queries,
        )

    def stop_shadow(self, upgrade: int, *, reason: str = "") -> answers.Shadow:
        """Stop the running shadow of an upgrade."""
        return self._create(f"upgrades/{upgrade}/shadows/stop", reason=reason)

    def shadows(self, upgrade: int) -> Iterator[answers.Shadow]:
        """Yield the shadows of an upgrade, newest first."""
        return self.transport.pages(f"upgrades/{upgrade}/shadows")
