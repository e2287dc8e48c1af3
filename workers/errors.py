"""The two ways in which work fails; anything else is a bug and propagates."""


class PermanentError(Exception):
    """Doing it again would fail again; ``code`` is public and stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class TransientError(Exception):
    """Doing it again may succeed."""
