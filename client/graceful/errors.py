"""What can go wrong, each with a stable code."""


class GracefulError(Exception):
    """Something did not work; ``code`` is stable, the message is for people."""

    code = "graceful_error"

    def __init__(self, detail: str, *, code: str = "") -> None:
        super().__init__(detail)
        self.code = code or type(self).code


class UsageError(GracefulError):
    """What was asked makes no sense before the registry was even spoken to."""

    code = "usage"


class UnreachableError(GracefulError):
    """The registry did not answer, or what answered is no registry."""

    code = "unreachable"


class TimedOutError(GracefulError):
    """What was waited for did not come in time."""

    code = "timed_out"


class RefusedError(GracefulError):
    """The registry refused; ``code`` is the one of its API, ``status`` that of the answer."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail, code=code)
        self.status = status
