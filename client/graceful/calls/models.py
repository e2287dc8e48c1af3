"""Registered models and their versions."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from graceful import answers
from graceful.calls.caller import Caller
from graceful.references import PRODUCTION
from graceful.uploads import Progress, send_file, silent


class ModelCalls(Caller):
    """Find and register models, push and read versions."""

    def models(self, search: str = "") -> Iterator[answers.Model]:
        """Yield registered models by name."""
        return self.transport.pages("models", search=search)

    def model(self, name: str) -> answers.ModelDetail:
        """Return a registered model, with the waivers under which its aliases serve."""
        return self.transport.get(f"models/{name}")

    def register_model(self, name: str, task: str, *, description: str = "") -> answers.Model:
        """Register a model; the task is ``classification`` or ``embedding``."""
        return self._create("models", name=name, task=task, description=description)

    def set_group(self, model: str, group: str) -> answers.Model:
        """Let a model belong to a group and inherit its policy; an empty name is no group."""
        path = f"models/{model}/group"
        return self.transport.json("PUT", path, json={"group": group}, again=True)

    def versions(self, model: str) -> Iterator[answers.Version]:
        """Yield the versions of a model, newest first, without manifest, inspection and card."""
        return self.transport.pages(f"models/{model}/versions")

    def version(self, model: str, number: int) -> answers.Version:
        """Return a version."""
        return self.transport.get(f"models/{model}/versions/{number}")

    def resolve(self, reference: str) -> answers.Version:
        """Return the version that ``name:3``, ``name@alias`` or ``name@sha256:...`` names."""
        return self.transport.get("resolve", reference=reference)

    def push(
        self,
        model: str,
        file: Path | None,
        manifest: Mapping[str, Any],
        *,
        parents: Sequence[answers.Edge] = (),
        card: str = "",
        alias: str = PRODUCTION,
        progress: Progress = silent,
    ) -> answers.Registered:
        """Register a version and open the upgrade of an alias to it.

        The file goes in pieces, and an upload that was interrupted goes on. Pushing the same again
        answers with the version that is there already: its number is not taken twice.

        Args:
            file: the model; None for recorded outputs.
            parents: where it came from: ``[{"version": "faces:1", "relation": "retrained_from"}]``.
        """
        body: dict[str, Any] = {
            "manifest": manifest,
            "parents": list(parents),
            "card": card,
            "alias": alias,
        }
        if file is None:
            return self._create_once(f"models/{model}/versions", body)
        sent = send_file(self.transport, file, "model", progress=progress)
        body["sha256"] = sent.sha256
        return self._create_once(f"models/{model}/versions", body, upload=sent.id)

    def download(self, model: str, number: int, target: Path) -> None:
        """Write the artifact of a version to a file."""
        self._download(f"models/{model}/versions/{number}/artifact", target)
