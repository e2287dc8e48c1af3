"""Policies and the scopes that they are set for."""

from collections.abc import Iterator, Mapping
from typing import Any

from graceful import answers
from graceful.calls.caller import Caller
from graceful.errors import RefusedError
from graceful.references import PolicyPlace


class PolicyCalls(Caller):
    """Add policies, and set them somewhere."""

    def policies(self) -> Iterator[answers.Policy]:
        """Yield policies by name."""
        return self.transport.pages("policies")

    def policy(self, name: str, number: int) -> answers.PolicyRevision:
        """Return a revision of a policy."""
        return self.transport.get(f"policies/{name}/revisions/{number}")

    def verify_policy(
        self, policy: Mapping[str, Any] | str, *, model: str = "", alias: str = ""
    ) -> answers.VerifiedPolicy:
        """Return whether something is a policy, and if not, why; nothing is kept.

        Args:
            policy: a document, or a text in YAML or JSON: then problems name its lines.
            model: where it might be set: the answer says what would hold there.
            alias: of that model.
        """
        place = {key: value for key, value in (("model", model), ("alias", alias)) if value}
        return self.transport.json("POST", "policies/verify", json={**_said(policy), **place})

    def add_policy(self, name: str, policy: Mapping[str, Any] | str) -> answers.PolicyRevision:
        """Return the revision that says the same, adding it where there is none.

        Args:
            policy: a document, or a text in YAML or JSON, which is kept with its comments.
        """
        try:
            return self._create("policies", name=name, **_said(policy))
        except RefusedError as exc:
            if exc.code != "duplicate_policy":
                raise
            document = self.verify_policy(policy)["document"]
            return self._same_revision(name, document, exc)

    def _same_revision(
        self, name: str, document: Mapping[str, Any] | None, refused: RefusedError
    ) -> answers.PolicyRevision:
        newest = next(p["last_number"] for p in self.policies() if p["name"] == name)
        for number in range(newest, 0, -1):
            found = self.policy(name, number)
            if found["document"] == document:
                return found
        raise refused

    def choose_policy(self, model: str, alias: str, policy: str) -> answers.Gate:
        """Let a policy revision such as ``strict:2`` guard an alias."""
        path = f"models/{model}/aliases/{alias}/policy"
        return self.transport.json("PUT", path, json={"policy": policy}, again=True)

    def effective_policy(self, model: str, alias: str) -> answers.EffectivePolicy:
        """Return what guards an alias after inheritance, and where each rule comes from."""
        return self.transport.get(f"models/{model}/aliases/{alias}/effective-policy")

    def set_policy(self, place: PolicyPlace, policy: str) -> None:
        """Set a policy revision such as ``strict:2`` for a scope; what is narrower inherits it."""
        self.transport.json("PUT", place.path, json={"policy": policy}, again=True)

    def unset_policy(self, place: PolicyPlace) -> None:
        """Set nothing for a scope any more: what is wider holds there again."""
        self.transport.json("DELETE", place.path)

    def policy_scopes(self) -> Iterator[answers.PolicyScope]:
        """Yield what is set where."""
        return self.transport.pages("policies/choices")


def _said(policy: Mapping[str, Any] | str) -> dict[str, Any]:
    return {"text": policy} if isinstance(policy, str) else {"document": policy}
