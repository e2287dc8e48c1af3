"""What a worker of the search process runs; imported after the fork, never before."""

from typing import Any

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

from workers.serving.views import preparation, running  # noqa: E402 - the models are ready now


def start(worker: Any) -> None:
    """Begin to follow the live pointers (gunicorn's ``post_worker_init``)."""
    preparation.start()


def stop(server: Any, worker: Any) -> None:
    """End the encoders with the worker (gunicorn's ``worker_exit``)."""
    running.encoders.keep_only(())
