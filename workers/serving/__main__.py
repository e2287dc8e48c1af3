"""``python -m workers.serving --port N``: the search process, on loopback unless told otherwise."""

import argparse
import importlib
import os
from typing import Any

from gunicorn.app.base import BaseApplication

THREADS = 24
"""More than the searches that run at once: who has to wait or to be sent away needs one too."""

ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "workers.serving.settings",
    "OMP_NUM_THREADS": "1",  # with more, searches side by side were 8 times slower
    "ORT_DISABLE_TELEMETRY": "1",
}


class SearchProcess(BaseApplication):
    """One gunicorn worker with threads.

    The parent never loads Django, FAISS or a model: a forked child of a process that has used
    FAISS can hang.
    """

    def __init__(self, host: str, port: int) -> None:
        self._bind = f"{host}:{port}"
        super().__init__()

    def load_config(self) -> None:
        options = {
            "bind": self._bind,
            "workers": 1,
            "threads": THREADS,
            "worker_class": "gthread",
            "preload_app": False,
            "control_socket_disable": True,
            "graceful_timeout": 10,
            "keepalive": 30,
            "proc_name": "graceful-search",
            "post_worker_init": _when_started,
            "worker_exit": _when_over,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return _application().application


def main() -> None:
    """Serve until asked to stop."""
    parser = argparse.ArgumentParser(prog="python -m workers.serving", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    SearchProcess(options.host, options.port).run()


def _application() -> Any:
    return importlib.import_module("workers.serving.application")


def _when_started(worker: Any) -> None:
    _application().start(worker)


def _when_over(server: Any, worker: Any) -> None:
    _application().stop(server, worker)


if __name__ == "__main__":
    main()
