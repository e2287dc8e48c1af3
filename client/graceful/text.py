"""Plain text for terminals and logs."""

from collections.abc import Iterable, Sequence

Row = Sequence[object]


def printable(value: object) -> str:
    """Return text in which nothing can move the cursor or pass for a line of its own."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))


def cell(value: object) -> str:
    """Return a value as a table shows it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else printable(value)


def columns(head: Sequence[str], rows: Iterable[Row]) -> str:
    """Return a table whose columns are as wide as what they hold."""
    table = [list(head), *([cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    lines = (
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )
    return "\n".join(lines)


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """Return named values, one a line."""
    known = [(name, cell(value)) for name, value in pairs]
    width = max(len(name) for name, _ in known)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in known)


def interval(lower: float | None, upper: float | None) -> str:
    """Return an interval, or a dash where there is none."""
    if lower is None or upper is None:
        return "-"
    return f"[{lower:.4g}, {upper:.4g}]"


def size(count: int) -> str:
    """Return a number of bytes in MiB."""
    return f"{count / (1 << 20):.1f} MiB"
