"""Galleries, and what serving processes read and say back."""

from collections.abc import Iterator

from graceful import answers
from graceful.calls.caller import Caller


class GalleryCalls(Caller):
    """Read galleries, and say what serves them."""

    def galleries(self) -> Iterator[answers.Gallery]:
        """Yield galleries by name."""
        return self.transport.pages("galleries")

    def gallery(self, name: str) -> answers.GalleryDetail:
        """Return a gallery with its segments."""
        return self.transport.get(f"galleries/{name}")

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
