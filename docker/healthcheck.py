"""Asks a process of this container whether it is well; exits 0 if so.

Usage: python docker/healthcheck.py PORT PATH
"""

import http.client
import os
import sys


def served_host() -> str:
    """Return a host name that the web process accepts."""
    first = os.environ.get("ALLOWED_HOSTS", "").split(",")[0].strip().removeprefix(".")
    return first if first not in {"", "*"} else "127.0.0.1"


def main(port: int, path: str) -> int:
    """Return 0 where ``path`` answers 200, else 1 with the reason on standard error."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": served_host()})
        status = connection.getresponse().status
    except OSError as exc:
        print(exc, file=sys.stderr)
        return 1
    finally:
        connection.close()
    if status != 200:
        print(f"answered {status}", file=sys.stderr)
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))
