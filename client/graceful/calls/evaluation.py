"""Evaluation sets, comparisons, and checks that register nothing."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from graceful import answers
from graceful.calls.caller import Caller
from graceful.standing import is_checked
from graceful.uploads import Progress, send_file, silent


class EvaluationCalls(Caller):
    """Evaluation sets and what is measured on them."""

    def push_evaluation_set(
        self,
        name: str,
        file: Path,
        task: str,
        *,
        description: str = "",
        progress: Progress = silent,
    ) -> answers.SetRevision:
        """Upload a revision of an evaluation set, in pieces as ``push`` does."""
        sent = send_file(self.transport, file, "table", progress=progress)
        body = {"name": name, "task": task, "description": description, "sha256": sent.sha256}
        return self._create_once("evaluation-sets", body, upload=sent.id)

    def set_revision(self, name: str, number: int) -> answers.SetRevision:
        """Return a revision of an evaluation set."""
        return self.transport.get(f"evaluation-sets/{name}/revisions/{number}")

    def comparison(self, comparison: int) -> answers.Comparison:
        """Return a comparison with its measurements."""
        return self.transport.get(f"comparisons/{comparison}")

    def flips(self, comparison: int) -> Iterator[answers.Flip]:
        """Yield the samples that flipped."""
        return self.transport.pages(f"comparisons/{comparison}/flips")

    def request_check(
        self,
        model: str,
        alias: str,
        file: Path,
        evaluation_set: str,
        *,
        manifest: Mapping[str, Any] | None = None,
        progress: Progress = silent,
    ) -> answers.Check:
        """Have predictions or embeddings judged against the incumbent; nothing is registered.

        Each call is a check of its own, by the policy and the incumbent of that moment. The file
        goes in pieces, as ``push`` sends it.

        Args:
            evaluation_set: a revision that judges the alias, such as ``digits:1``.
            manifest: how to read the file; as the incumbent's outputs where there is none.
        """
        sent = send_file(self.transport, file, "table", progress=progress)
        fields = {
            "model": model,
            "alias": alias,
            "evaluation_set": evaluation_set,
            "upload": sent.id,
            "sha256": sent.sha256,
        }
        if manifest is not None:
            fields["manifest"] = json.dumps(manifest)
        return self.transport.post_form("compatibility", fields, key=uuid.uuid4().hex)

    def check(self, check: int) -> answers.Check:
        """Return a check."""
        return self.transport.get(f"compatibility/{check}")

    def wait_for_check(
        self,
        check: int,
        *,
        timeout_s: float,
        watch: Callable[[answers.Check], None] = lambda _: None,
    ) -> answers.Check:
        """Return the check once it is done, or failed.

        Args:
            watch: called with the check each time that it was read.

        Raises:
            TimedOutError: it was not done in time.
        """
        return self.wait(
            lambda: self.check(check),
            is_checked,
            timeout_s=timeout_s,
            watch=watch,
            what=f"the outcome of {check}",
        )
