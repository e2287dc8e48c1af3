"""Canaries of an attached gallery, and the drift that they show."""

import uuid
from collections.abc import Iterator
from pathlib import Path

from graceful import answers
from graceful.calls.caller import Caller
from graceful.standing import UNDER_WAY
from graceful.uploads import Progress, send_file, silent


class CanaryCalls(Caller):
    """Hand in canaries, have them checked, and take a drift upon you."""

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
