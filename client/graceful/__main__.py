"""Entry point of the command ``graceful``."""

import sys
import traceback

from graceful.commands import app
from graceful.standing import EXIT, Standing


def main() -> None:
    """Run the command line."""
    try:
        app(prog_name="graceful")
    except Exception:  # noqa: BLE001 - Python's own exit code 1 would say "failed" of a candidate
        traceback.print_exc()
        sys.exit(EXIT[Standing.ERRORED])


if __name__ == "__main__":
    main()
