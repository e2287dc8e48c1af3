"""Where the registry is and what opens it: from the environment, or kept by ``graceful login``."""

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from graceful.errors import UsageError

URL_VARIABLE, TOKEN_VARIABLE = "GRACEFUL_URL", "GRACEFUL_TOKEN"  # noqa: S105 - names of variables


@dataclass(frozen=True)
class Access:
    """The address of a registry and a token for it."""

    url: str
    token: str

    @property
    def token_prefix(self) -> str:
        """The part of the token that is no secret."""
        parts = self.token.split("_")
        return parts[1] if len(parts) > 2 else ""


def access(environment: Mapping[str, str] = os.environ) -> Access:
    """Return what the environment says; where it says nothing, what the login kept.

    Raises:
        UsageError: neither is there (``not_logged_in``), or others can read the kept token.
    """
    url, token = environment.get(URL_VARIABLE, ""), environment.get(TOKEN_VARIABLE, "")
    url = clean_url(url) if url else ""
    if not (url and token):
        kept = load(login_file(environment))
        if kept and url in {"", kept.url}:  # A kept token goes to no other address.
            url, token = kept.url, token or kept.token
    if not (url and token):
        raise UsageError(
            f"run `graceful login URL`, or set {URL_VARIABLE} and {TOKEN_VARIABLE}",
            code="not_logged_in",
        )
    return Access(url, token)


def clean_url(url: str) -> str:
    """Return the address without a slash at its end, or raise UsageError where it is none."""
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url!r} is not an address that begins with https:// or http://")
    return url.rstrip("/")


def login_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where a login is kept: the user's configuration folder."""
    root = environment.get("XDG_CONFIG_HOME") or environment.get("APPDATA")
    return (Path(root) if root else Path.home() / ".config") / "graceful" / "login.json"


def load(path: Path) -> Access | None:
    """Return the kept login, or None.

    Raises:
        UsageError: others may read it (``login_exposed``), or it is broken.
    """
    try:
        with path.open(encoding="utf-8") as file:
            if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise UsageError(f"others may read {path}: chmod 600 it", code="login_exposed")
            kept = json.load(file)
        return Access(kept["url"], kept["token"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{path} holds no login; run `graceful login URL`") from None


def save(kept: Access, path: Path) -> None:
    """Keep a login in a file that only its owner can read, from its first moment on."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_suffix(f".{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"url": kept.url, "token": kept.token}, file)
    temporary.replace(path)
