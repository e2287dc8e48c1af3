"""Kills, races and fuzz in full counts: ``python -m bench.soak``; prints a table at the end."""

import os
import subprocess
import sys


def main(arguments: list[str]) -> int:
    """Run the loops that are marked ``soak`` with their full counts."""
    command = [sys.executable, "-m", "pytest", "-m", "soak", *arguments]
    return subprocess.run(command, env={**os.environ, "SOAK": "1"}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
