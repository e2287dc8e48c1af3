"""Reports in the formats that people and pipelines read; none of them changes an exit code."""

from collections.abc import Callable
from enum import StrEnum

from graceful.formats.github import github
from graceful.formats.json import as_json
from graceful.formats.junit import junit
from graceful.formats.markdown import markdown
from graceful.formats.sarif import sarif
from graceful.formats.table import table
from graceful.report import Report


class Format(StrEnum):
    """How a report is written."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"
    GITHUB = "github"
    MARKDOWN = "markdown"


WRITERS: dict[Format, Callable[[Report], str]] = {
    Format.TABLE: table,
    Format.JSON: as_json,
    Format.JUNIT: junit,
    Format.SARIF: sarif,
    Format.GITHUB: github,
    Format.MARKDOWN: markdown,
}


def render(report: Report, form: Format) -> str:
    """Return the report as text without a newline at its end."""
    return WRITERS[form](report)
