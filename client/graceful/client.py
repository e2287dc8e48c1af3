"""The registry as Python objects: what the command line is made of."""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from graceful import answers
from graceful.access import Access, access, clean_url
from graceful.errors import RefusedError, TimedOutError
from graceful.references import PolicyPlace
from graceful.standing import UNDER_WAY, is_checked, is_settled
from graceful.transport import Transport
from graceful.uploads import Progress, send_file, silent

Answer = TypeVar("Answer")

FIRST_POLL_S, LONGEST_POLL_S = 0.5, 5.0
"""A short evaluation is noticed at once, a long one asked about twelve times a minute (chosen)."""

PRODUCTION = "production"


class Client:
    """One account's way into one registry; close it, or use it in a ``with`` block.

    Every method raises ``RefusedError`` (with the API's ``code``) where the registry refuses, and
    ``UnreachableError`` where it does not answer.
    """

    def __init__(self, url: str, token: str, *, timeout_s: float = 60) -> None:
        self.transport = Transport(Access(clean_url(url), token), timeout_s=timeout_s)

    @classmethod
    def from_environment(cls) -> "Client":
        """Return the client of ``GRACEFUL_URL`` and ``GRACEFUL_TOKEN``, or of the kept login."""
        found = access()
        return cls(found.url, found.token)

    @property
    def url(self) -> str:
        """The address of the registry."""
        return self.transport.access.url

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    # Models and versions

    def models(self, search: str = "") -> Iterator[answers.Model]:
        """Yield registered models by name."""
        return self.transport.pages("models", search=search)

    def model(self, name: str) -> answers.ModelDetail:
        """Return a registered model, with the waivers under which its aliases serve."""
        return self.transport.get(f"models/{name}")

    def register_model(self, name: str, task: str, *, description: str = "") -> answers.Model:
        """Register a model; the task is ``classification`` or ``embedding``."""
        return self._create("models", name=name, task=task, description=description)

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

    # Evaluation sets

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

    # Aliases and what guards them

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

    def set_group(self, model: str, group: str) -> answers.Model:
        """Let a model belong to a group and inherit its policy; an empty name is no group."""
        path = f"models/{model}/group"
        return self.transport.json("PUT", path, json={"group": group}, again=True)

    def pin(self, model: str, alias: str, evaluation_set: str) -> answers.Gate:
        """Let an evaluation-set revision such as ``digits:1`` judge the candidates of an alias."""
        path = f"models/{model}/aliases/{alias}/pins"
        return self._create(path, evaluation_set=evaluation_set)

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

    # Upgrades

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

    # Staged cutover

    def schedule(
        self,
        upgrade: int,
        *,
        not_before: str | None = None,
        not_after: str | None = None,
        after_shadow: answers.ShadowCondition | None = None,
        dual_query: bool = False,
        reason: str = "",
    ) -> answers.Schedule:
        """Have a candidate promoted later; the gate is asked now, and anew at that moment.

        Args:
            not_before: an ISO 8601 moment; now, where there is a condition to wait for.
            not_after: when it expires; a day after ``not_before`` unless told.
            after_shadow: what a shadow has to have shown by then.
            dual_query: let each version go on to query its own vectors.
        """
        return self._create(
            f"upgrades/{upgrade}/schedule",
            not_before=not_before,
            not_after=not_after,
            after_shadow=after_shadow,
            dual_query=dual_query,
            reason=reason,
        )

    def schedules(
        self, *, model: str = "", alias: str = "", state: str = ""
    ) -> Iterator[answers.ScheduleSummary]:
        """Yield promotions that were asked for beforehand, newest first."""
        return self.transport.pages("schedules", model=model, alias=alias, state=state)

    def read_schedule(self, schedule: int) -> answers.Schedule:
        """Return a schedule with what it waits for."""
        return self.transport.get(f"schedules/{schedule}")

    def cancel_schedule(self, schedule: int, *, reason: str = "") -> answers.Schedule:
        """Cancel a promotion that was asked for beforehand."""
        return self._create(f"schedules/{schedule}/cancel", reason=reason)

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

    def comparison(self, comparison: int) -> answers.Comparison:
        """Return a comparison with its measurements."""
        return self.transport.get(f"comparisons/{comparison}")

    def flips(self, comparison: int) -> Iterator[answers.Flip]:
        """Yield the samples that flipped."""
        return self.transport.pages(f"comparisons/{comparison}/flips")

    # Checks

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

    # Adapters

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

    # Previews and shadows

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

    # Galleries, ledger, events, tokens

    def galleries(self) -> Iterator[answers.Gallery]:
        """Yield galleries by name."""
        return self.transport.pages("galleries")

    def gallery(self, name: str) -> answers.GalleryDetail:
        """Return a gallery with its segments."""
        return self.transport.get(f"galleries/{name}")

    def backfill_plan(
        self, gallery: str, *, price_per_hour: float | None = None
    ) -> answers.BackfillPlan:
        """Return what a full backfill to the live encoder would take."""
        said = {} if price_per_hour is None else {"price_per_hour": str(price_per_hour)}
        return self.transport.get(f"galleries/{gallery}/backfill-plan", **said)

    def backfills(self, gallery: str) -> Iterator[answers.Backfill]:
        """Yield the backfills of a gallery, newest first."""
        return self.transport.pages(f"galleries/{gallery}/backfills")

    def backfill(self, gallery: str, number: int) -> answers.Backfill:
        """Return how far a backfill has come."""
        return self.transport.get(f"galleries/{gallery}/backfills/{number}")

    def start_backfill(
        self, gallery: str, *, order: str = "random", rate_limit_per_s: float | None = None
    ) -> answers.Backfill:
        """Begin to re-embed, with the live encoder, the items of other versions."""
        path = f"galleries/{gallery}/backfills"
        return self._create(path, order=order, rate_limit_per_s=rate_limit_per_s)

    def steer_backfill(self, gallery: str, number: int, verb: str) -> answers.Backfill:
        """``pause``, ``resume`` or ``stop`` a backfill."""
        return self._create(f"galleries/{gallery}/backfills/{number}/{verb}")

    def wait_for_backfill(
        self,
        gallery: str,
        number: int,
        *,
        timeout_s: float,
        watch: Callable[[answers.Backfill], None] = lambda _: None,
    ) -> answers.Backfill:
        """Return the backfill once it is no longer running.

        Raises:
            TimedOutError: it was still running.
        """

        def read() -> answers.Backfill:
            found = self.backfill(gallery, number)
            watch(found)
            return found

        return self.wait(
            read,
            lambda found: found["state"] != "running",
            timeout_s=timeout_s,
            what=f"the end of backfill {number}",
        )

    def live_view(self, name: str) -> answers.LiveView:
        """Return which encoder queries which segment of a gallery now."""
        return self.transport.get(f"galleries/{name}/live")

    def acknowledge(self, name: str, consumer: str, epoch: int) -> answers.Acknowledgement:
        """Say that a consumer answers from that epoch of a gallery on; again is the same."""
        return self.transport.post(
            f"galleries/{name}/acknowledgements", {"consumer": consumer, "epoch": epoch}
        )

    def probation(self, name: str) -> answers.Probation:
        """Return whether what is inserted into a gallery is embedded by two versions now."""
        return self.transport.get(f"galleries/{name}/probation")

    def set_probation(self, name: str, hours: int) -> answers.Probation:
        """Set how long after a promotion the former encoder embeds what is inserted as well."""
        return self.transport.json(
            "PUT", f"galleries/{name}/probation", json={"hours": hours}, again=True
        )

    def hand_in_canaries(
        self,
        gallery: str,
        file: Path,
        *,
        segment: int,
        tolerance: float | None = None,
        progress: Progress = silent,
    ) -> answers.Canaries:
        """Hand in canaries of one segment of an attached gallery; a worker looks into them.

        Args:
            file: rows of id, input or image, and the vector as it lies in the index.
            tolerance: greatest drift that counts as the same vector; the registry's own where
                there is none.
        """
        sent = send_file(self.transport, file, "table", progress=progress)
        fields = {"segment": str(segment), "upload": sent.id, "sha256": sent.sha256}
        if tolerance is not None:
            fields["tolerance"] = str(tolerance)
        key = uuid.uuid4().hex
        return self.transport.post_form(f"galleries/{gallery}/canaries", fields, key=key)

    def wait_for_canaries(self, gallery: str, number: int, *, timeout_s: float) -> answers.Canaries:
        """Return canaries that were handed in once they are accepted, or refused.

        Raises:
            TimedOutError: no worker had looked into them.
        """
        path = f"galleries/{gallery}/canaries/{number}"
        return self.wait(
            lambda: self.transport.get(path),
            lambda held: held["work_state"] not in UNDER_WAY,
            timeout_s=timeout_s,
            what=f"the inspection of canaries {number}",
        )

    def check_canaries(self, gallery: str) -> answers.CanaryCheck:
        """Have the canaries of a gallery checked now, or return the check that is to be done."""
        return self._create(f"galleries/{gallery}/canary-checks")

    def canary_checks(self, gallery: str) -> Iterator[answers.CanaryCheck]:
        """Yield the checks of a gallery's canaries, newest first."""
        return self.transport.pages(f"galleries/{gallery}/canary-checks")

    def wait_for_canary_check(
        self, gallery: str, number: int, *, timeout_s: float
    ) -> answers.CanaryCheck:
        """Return a check of canaries once it has ended.

        Raises:
            TimedOutError: it had not ended.
        """
        path = f"galleries/{gallery}/canary-checks/{number}"
        return self.wait(
            lambda: self.transport.get(path),
            lambda found: found["work_state"] not in UNDER_WAY,
            timeout_s=timeout_s,
            what=f"the end of check {number}",
        )

    def acknowledge_drift(self, gallery: str, *, reason: str) -> answers.Drift:
        """Take the drift of a gallery upon you, so that promotions go on."""
        return self._create(f"galleries/{gallery}/drift/acknowledge", reason=reason)

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

    def tokens(self) -> Iterator[answers.Token]:
        """Yield your own tokens, newest first."""
        return self.transport.pages("tokens")

    # Waiting

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

        def read() -> answers.Upgrade:
            found = self.upgrade(upgrade)
            watch(found)
            return found

        return self.wait(read, is_settled, timeout_s=timeout_s, what=f"the verdict of {upgrade}")

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

        def read() -> answers.Check:
            found = self.check(check)
            watch(found)
            return found

        return self.wait(read, is_checked, timeout_s=timeout_s, what=f"the outcome of {check}")

    def wait(
        self,
        read: Callable[[], Answer],
        done: Callable[[Answer], bool],
        *,
        timeout_s: float,
        what: str,
    ) -> Answer:
        """Read until it is done, more and more seldom.

        Raises:
            TimedOutError: it was not done in time.
        """
        deadline, pause = time.monotonic() + timeout_s, FIRST_POLL_S
        while not done(found := read()):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimedOutError(f"{what} did not come within {timeout_s:g} s")
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, LONGEST_POLL_S)
        return found

    def _create(self, path: str, **body: Any) -> Any:
        """Send a creating call under a key of its own, so that a lost answer does no harm."""
        return self.transport.post(path, body, key=uuid.uuid4().hex)

    def _create_once(self, path: str, body: Mapping[str, Any], *, upload: str = "") -> Any:
        """Send a creating call under a key that the same content always has."""
        said = json.dumps([path, body], sort_keys=True).encode()
        key = f"push-{hashlib.sha256(said).hexdigest()}"
        return self.transport.post(path, {**body, "upload": upload}, key=key)

    def _same_revision(
        self, name: str, document: Mapping[str, Any] | None, refused: RefusedError
    ) -> answers.PolicyRevision:
        newest = next(p["last_number"] for p in self.policies() if p["name"] == name)
        for number in range(newest, 0, -1):
            found = self.policy(name, number)
            if found["document"] == document:
                return found
        raise refused

    def _download(self, path: str, target: Path) -> None:
        partial = target.with_name(f"{target.name}.part")
        try:
            with partial.open("wb") as file:
                for chunk in self.transport.download(path):
                    file.write(chunk)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def _said(policy: Mapping[str, Any] | str) -> dict[str, Any]:
    return {"text": policy} if isinstance(policy, str) else {"document": policy}
