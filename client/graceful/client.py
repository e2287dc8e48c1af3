"""The registry as a Python object: what the command line is made of."""

from graceful.access import Access, access, clean_url
from graceful.calls.adapters import AdapterCalls
from graceful.calls.aliases import AliasCalls
from graceful.calls.backfills import BackfillCalls
from graceful.calls.canaries import CanaryCalls
from graceful.calls.decisions import DecisionCalls
from graceful.calls.evaluation import EvaluationCalls
from graceful.calls.galleries import GalleryCalls
from graceful.calls.ledger import LedgerCalls
from graceful.calls.models import ModelCalls
from graceful.calls.policies import PolicyCalls
from graceful.calls.previews import PreviewCalls
from graceful.calls.safeguards import SafeguardCalls
from graceful.calls.schedules import ScheduleCalls
from graceful.calls.tokens import TokenCalls
from graceful.calls.upgrades import UpgradeCalls
from graceful.transport import Transport


class Client(
    ModelCalls,
    EvaluationCalls,
    AliasCalls,
    PolicyCalls,
    UpgradeCalls,
    DecisionCalls,
    ScheduleCalls,
    SafeguardCalls,
    AdapterCalls,
    PreviewCalls,
    GalleryCalls,
    BackfillCalls,
    CanaryCalls,
    LedgerCalls,
    TokenCalls,
):
    """One account's way into one registry; close it, or use it in a ``with`` block.

    Every method raises ``RefusedError`` (with the API's ``code``) where the registry refuses, and
    ``UnreachableError`` where it does not answer. What it may be asked lies by noun in
    ``graceful.calls``; it inherits from all of them, so that users meet one flat object.
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
