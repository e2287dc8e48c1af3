"""Log in: keep the address of the registry and a token for it."""

import getpass
import sys
from typing import Annotated
from urllib.parse import urlsplit

import typer

from graceful.access import Access, clean_url, login_file, save
from graceful.client import Client
from graceful.commands.root import app, say
from graceful.errors import RefusedError, UsageError

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@app.command()
def login(
    url: Annotated[str, typer.Argument(metavar="URL", help="Such as https://registry.example")],
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read the token from stdin, and do not ask.")
    ] = False,
) -> None:
    """Keep the registry's address and a token in a file that only you can read."""
    kept = Access(clean_url(url), _token(token_stdin))
    if kept.url.startswith("http://") and urlsplit(kept.url).hostname not in LOOPBACK:
        say("warning: the address is not https; the token can be read on its way")
    _try(kept)
    path = login_file()
    save(kept, path)
    say(f"logged in to {kept.url}; kept in {path}")


def _token(from_stdin: bool) -> str:
    token = (sys.stdin.readline() if from_stdin else getpass.getpass("Token: ")).strip()
    if not (token.isascii() and token.isprintable() and token):
        raise UsageError("that is no token", code="no_token")
    return token


def _try(kept: Access) -> None:
    """Ask something; a token that may not read is a token all the same."""
    try:
        with Client(kept.url, kept.token) as registry:
            next(registry.tokens(), None)
    except RefusedError as exc:
        if exc.code != "missing_scope":
            raise
