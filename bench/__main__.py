"""Every benchmark that the docs cite: ``python -m bench [name ...]``, a process each."""

import argparse
import subprocess
import sys

BENCHMARKS = (
    "evaluation",
    "catalog",
    "cutover",
    "search",
    "batches",
    "adapters",
    "backfill_order",
    "drift",
    "engines",
)


def main(arguments: list[str]) -> int:
    """Run the named benchmarks, or all of them; return how many failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHMARKS))
    names = parser.parse_args(arguments).names or BENCHMARKS
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    done = [subprocess.run([sys.executable, "-m", f"bench.{name}"]) for name in names]
    return sum(one.returncode != 0 for one in done)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
