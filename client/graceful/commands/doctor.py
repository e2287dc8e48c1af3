"""Find out why nothing works: the address, the clocks, the token, the versions."""

import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import typer

from graceful.access import access
from graceful.answers import Token
from graceful.client import Client
from graceful.commands.root import Shape, ShapeOption, app, show, show_json
from graceful.errors import GracefulError
from graceful.standing import EXIT, Standing, exit_code
from graceful.text import columns
from graceful.version import VERSION

SKEW = timedelta(seconds=30)
"""More than that and expiry dates are misjudged (chosen)."""

SOON = timedelta(days=7)
"""A token that ends earlier is worth a word (chosen)."""

SCOPES = {"read", "write", "promote"}


@dataclass(frozen=True)
class Finding:
    """What was looked at, whether it is good, and what was found."""

    what: str
    state: str
    detail: str


@app.command()
def doctor(form: ShapeOption = Shape.TABLE) -> None:
    """Look at the address, the clocks, the token and the versions; exit 0 if all is well."""
    found = [Finding("client", "ok", f"graceful {VERSION}, Python {platform.python_version()}")]
    code = EXIT[Standing.PASSED]
    try:
        kept = access()
        with Client(kept.url, kept.token) as client:
            found += _findings(client)
    except GracefulError as exc:
        found.append(Finding("registry", "bad", f"{exc.code}: {exc}"))
        code = exit_code(exc)
    if form is Shape.JSON:
        show_json([asdict(one) for one in found])
    else:
        show(columns(("what", "state", "found"), [(f.what, f.state, f.detail) for f in found]))
    if any(one.state == "bad" for one in found):
        raise typer.Exit(code or EXIT[Standing.FAILED])


def _findings(client: Client) -> Iterator[Finding]:
    before = datetime.now(UTC)
    response = client.transport.ask("GET", "schema", again=True)
    middle = before + (datetime.now(UTC) - before) / 2
    version = response.json()["info"]["version"]
    yield Finding("registry", "ok", f"{client.url}, API version {version}")
    yield _clock(response, middle)
    token = _own_token(client)
    if token is None:
        yield Finding("token", "warning", "accepted; its scopes and its end are not listed")
        return
    yield _scopes(token)
    yield _end(token, middle)


def _clock(response: httpx.Response, here: datetime) -> Finding:
    try:
        there = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError):
        return Finding("clock", "warning", "the registry does not say what time it is")
    skew = abs(there - here)
    state = "warning" if skew > SKEW else "ok"
    return Finding("clock", state, f"{skew.total_seconds():.0f} s between the two clocks")


def _own_token(client: Client) -> Token | None:
    prefix = client.transport.access.token_prefix
    return next((token for token in client.tokens() if token["prefix"] == prefix), None)


def _scopes(token: Token) -> Finding:
    missing = sorted(SCOPES - set(token["scopes"]))
    detail = f"{token['name']}: {', '.join(token['scopes'])}"
    if missing:
        return Finding("token", "warning", f"{detail}; without {', '.join(missing)}")
    return Finding("token", "ok", detail)


def _end(token: Token, now: datetime) -> Finding:
    left = datetime.fromisoformat(token["expires_at"]) - now
    state = "ok" if left > SOON else "warning"
    return Finding("expiry", state, f"{token['expires_at']}, in {left.days} days")
