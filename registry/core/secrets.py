"""Secrets that an installation makes for itself when nobody supplies them."""

import os
import secrets
import tempfile
from pathlib import Path


def secret(data_dir: Path, name: str) -> str:
    """Return the secret kept in ``data_dir/name``; made on first use, only its owner may read it.

    Of processes that start together one makes it, and all of them return that one: the file
    appears under its name complete, by a link that fails when the name is taken.
    """
    path = data_dir / name
    try:
        return path.read_text()
    except FileNotFoundError:
        pass
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, draft = tempfile.mkstemp(prefix=f".{name}.", dir=data_dir)  # mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was first
    finally:
        os.unlink(draft)
    return path.read_text()
