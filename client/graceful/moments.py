"""Moments as people write them: a date, or a time with its offset."""

from datetime import UTC, datetime

from graceful.errors import UsageError


def moment(text: str) -> str:
    """Return a moment as the API takes it; a mere date is its beginning in UTC.

    Raises:
        UsageError: the text is neither a date nor a time with its offset.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or (found.tzinfo is None and len(text) > len("2030-01-31")):
        raise UsageError(f"{text!r} is neither a date nor a time with its offset")
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()
