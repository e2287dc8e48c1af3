"""A report as workflow commands of GitHub Actions, which become annotations of the run."""

from graceful.report import Line, Report
from graceful.standing import Standing


def github(report: Report) -> str:
    """Return one annotation a rule that does not hold, one for waivers, one for the verdict."""
    lines = [_annotation(line) for line in report.lines if not line.holds]
    if report.exceptions:
        lines.append(_command("notice", "waivers", report.exceptions))
    level = "notice" if report.standing is Standing.PASSED else "error"
    sentence = f"{report.sentence}; {report.url}"
    return "\n".join([*lines, _command(level, f"gate {report.standing}", sentence)])


def _annotation(line: Line) -> str:
    level = "warning" if line.advisory else "error"
    where = f"{line.judged_on}: " if line.judged_on else ""
    return _command(level, f"{line.outcome}: {line.name}", where + line.reason)


def _command(level: str, title: str, message: str) -> str:
    return f"::{level} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    """Escape as the runner unescapes; an unescaped line break would begin another command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
