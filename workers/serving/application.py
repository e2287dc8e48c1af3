"""What a worker of the search process runs; imported after the fork, never before."""

from typing import Any

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

from workers.serving.views import preparation, running, shadowing  # noqa: E402 - the models are ready now


def start(worker: Any) -> None:
    """Begin to follow live pointers and shadows (gunicorn's ``post_worker_init``)."""
    preparation.start()
    shadowing.start()


def stop(server: Any, worker: Any) -> None:
    """Write what was counted and end the encoders with the worker (gunicorn's ``worker_exit``)."""
    shadowing.stop()
    running.encoders.keep_only(())
