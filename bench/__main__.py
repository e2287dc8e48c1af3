"""Every benchmark that the docs cite: ``python -m bench [name ...]``, one table each."""

import argparse
import importlib
import sys

BENCHMARKS = ("evaluation", "catalog", "cutover", "search")


def main(arguments: list[str]) -> int:
    """Run the named benchmarks, or all of them, each in this process."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHMARKS))
    names = parser.parse_args(arguments).names or BENCHMARKS
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    for name in names:
        importlib.import_module(f"bench.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
