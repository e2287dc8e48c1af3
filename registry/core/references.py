"""References to numbered revisions, as people write them."""

from registry.core.errors import InvalidInputError


def split_numbered(reference: str) -> tuple[str, int]:
    """Return name and number of ``name:3``.

    Raises:
        InvalidInputError: it has another form.
    """
    name, _, number = reference.rpartition(":")
    if not name or not (number.isascii() and number.isdigit() and len(number) <= 9):
        raise InvalidInputError(
            f"{reference[:120]!r} is no reference like name:3", code="invalid_reference"
        )
    return name, int(number)
