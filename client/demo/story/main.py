"""Tell the story of the demo, check every step, and leave the registry running."""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from client.demo.story import classifier, embedder, ledger
from client.demo.story.api import Api, ApiError, StillWaitingError
from client.demo.story.report import Report
from client.demo.story.server import ROOT, ServerError, serving

SEED = 1
"""Of the training; any other makes other artifacts. The splits of the data never move."""


def main(arguments: list[str]) -> int:
    """Return 0 only if every step came out as science says it should."""
    options = _options(arguments)
    report = Report()
    report.title("Training (seed %d; a second run finds the models)", options.seed)
    from client.demo.build import train_all  # torch takes seconds to load

    made = train_all(options.seed, options.folder)
    report.say("models and evaluation sets lie in %s", options.folder / made["key"])
    try:
        with serving(options.port) as account:
            report.say("the registry answers at %s", account.url)
            with Api(account.url, account.token) as api:
                _tell(api, made, report)
            report.table()
            if options.serve:
                _stay(account, report)
    except (ServerError, ApiError, StillWaitingError) as exc:
        report.check(False, "the story could not be told to its end: %s", exc)
    return report.exit_code()


def _tell(api: Api, made: dict, report: Report) -> None:
    embedder.tell(api, made, report)
    classifier.tell(api, made, report)
    ledger.tell(api, report)


def _stay(account, report: Report) -> None:
    report.title("The registry goes on running")
    report.say("open      %s", account.url)
    report.say("login     %s", account.name)
    report.say("password  %s", account.password)
    report.say("token     %s", account.token)
    report.say("stop it with Ctrl-C; make serve starts it again")
    stopped = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stopped.set())
    stopped.wait()


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m client.demo", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--port", type=int, default=0, help="of the web UI; 0 takes a free one")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "var" / "demo", help="where trained models are kept"
    )
    parser.add_argument(
        "--no-serve",
        dest="serve",
        action="store_false",
        default=os.environ.get("SERVE", "1") not in {"0", "false", "no"},
        help="end when the story is told",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
