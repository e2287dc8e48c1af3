"""Tokens of an account."""

from collections.abc import Iterator

from graceful import answers
from graceful.calls.caller import Caller


class TokenCalls(Caller):
    """Read your own tokens."""

    def tokens(self) -> Iterator[answers.Token]:
        """Yield your own tokens, newest first."""
        return self.transport.pages("tokens")
