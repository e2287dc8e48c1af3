"""Typed readers of the environment; nothing else reads it. A wrong value fails at start."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str) -> str:
    """Return the variable, or the default where it is unset or empty."""
    return os.environ.get(name) or default


def flag(name: str, default: bool) -> bool:
    """Return a boolean written as true/false, 1/0, yes/no, on/off."""
    value = text(name, str(default)).lower()
    if value in {"true", "1", "yes", "on"}:
        return True
    if value in {"false", "0", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}")


def integer(name: str, default: int, minimum: int = 0, maximum: int | None = None) -> int:
    """Return a whole number of at least ``minimum``, at most ``maximum``."""
    value = text(name, str(default))
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}") from None
    if number < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}, not {number}")
    if maximum is not None and number > maximum:
        raise ImproperlyConfigured(f"{name} must be at most {maximum}, not {number}")
    return number


def words(name: str, default: str) -> list[str]:
    """Return a list written with commas."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def database(name: str, default_file: Path) -> dict[str, Any]:
    """Return Django's settings for ``postgres://`` or ``sqlite:///``; a file by default."""
    url = urlsplit(text(name, f"sqlite:///{default_file}"))
    if url.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": url.path.removeprefix("/") if url.path.startswith("//") else url.path,
            "OPTIONS": {
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
            },
        }
    if url.scheme in {"postgres", "postgresql"}:
        query = parse_qs(url.query)
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(url.path.removeprefix("/")),
            "USER": unquote(url.username or ""),
            "PASSWORD": unquote(url.password or ""),
            "HOST": url.hostname or query.get("host", [""])[0],
            "PORT": str(url.port or query.get("port", [""])[0]),
            "CONN_MAX_AGE": 60,
            "CONN_HEALTH_CHECKS": True,
        }
    raise ImproperlyConfigured(f"{name} must start with sqlite:/// or postgres://")


def vectors_database(name: str, other_than: dict[str, Any]) -> dict[str, Any]:
    """Return Django's settings for a PostgreSQL that nothing else is in.

    Who asks it does not wait long for a host that is not there.
    """
    found = database(name, Path())
    if found["ENGINE"] != "django.db.backends.postgresql":
        raise ImproperlyConfigured(f"{name} must start with postgres://")
    if all(found[key] == other_than.get(key) for key in ("NAME", "HOST", "PORT")):
        raise ImproperlyConfigured(f"{name} must name another database than DATABASE_URL")
    return found | {"OPTIONS": {"connect_timeout": 5}, "TEST": {"DEPENDENCIES": []}}
