"""Aliases: what they name, what guards them, and their moves."""

from collections.abc import Iterator

from graceful import answers
from graceful.calls.caller import Caller


class AliasCalls(Caller):
    """Read and open aliases, and move them."""

    def aliases(self, model: str) -> Iterator[answers.Alias]:
        """Yield the aliases of a model by name."""
        return self.transport.pages(f"models/{model}/aliases")

    def open_alias(self, model: str, alias: str) -> answers.Alias:
        """Open an alias with the task's default policy; an existing one is returned."""
        return self._create(f"models/{model}/aliases", name=alias)

    def alias(self, model: str, alias: str, *, at: str = "") -> answers.AliasStanding:
        """Return what an alias names, or named at an ISO 8601 moment."""
        return self.transport.get(f"models/{model}/aliases/{alias}", at=at)

    def history(self, model: str, alias: str) -> Iterator[answers.Move]:
        """Yield the moves of an alias, newest first."""
        return self.transport.pages(f"models/{model}/aliases/{alias}/history")

    def gate(self, model: str, alias: str) -> answers.Gate:
        """Return what guards an alias."""
        return self.transport.get(f"models/{model}/aliases/{alias}/gate")

    def pin(self, model: str, alias: str, evaluation_set: str) -> answers.Gate:
        """Let an evaluation-set revision such as ``digits:1`` judge the candidates of an alias."""
        path = f"models/{model}/aliases/{alias}/pins"
        return self._create(path, evaluation_set=evaluation_set)

    def promote(
        self,
        model: str,
        alias: str,
        number: int,
        *,
        reason: str = "",
        dry_run: bool = False,
        dual_query: bool = False,
    ) -> answers.Promotion:
        """Move an alias to a candidate, and every gallery that follows it; or only try it.

        Args:
            dual_query: let each version go on to query its own vectors.
        """
        path = f"models/{model}/aliases/{alias}/promote"
        return self._create(
            path, version=number, reason=reason, dry_run=dry_run, dual_query=dual_query
        )

    def rollback_plan(
        self, model: str, alias: str, number: int, *, dual_query: bool = False
    ) -> answers.RollbackPlan:
        """Return what going back to a version would mean."""
        path = f"models/{model}/aliases/{alias}/rollback"
        return self.transport.get(path, version=number, dual_query=dual_query)

    def roll_back(
        self,
        model: str,
        alias: str,
        number: int,
        *,
        reason: str = "",
        confirm_unsearchable: int = 0,
        dual_query: bool = False,
    ) -> answers.Promotion:
        """Move an alias back to a version that served before.

        Args:
            confirm_unsearchable: exactly the number of items that the plan says it costs.
            dual_query: let each version go on to query its own vectors.
        """
        return self._create(
            f"models/{model}/aliases/{alias}/rollback",
            version=number,
            reason=reason,
            confirm_unsearchable=confirm_unsearchable,
            dual_query=dual_query,
        )
