"""The Celery application: names and queues are the registry's, tasks live in workers."""

import os

from celery import Celery
from django.conf import settings

from registry.core import filesystem_transport

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry.settings")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

filesystem_transport.register()
app = Celery("registry")
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    broker_connection_retry_on_startup=True,
    broker_transport_options=(
        {
            # Redis never renews a delivery: above the longest child, or it is delivered again.
            "visibility_timeout": settings.CHILD_WALL_S * 2,
            "unacked_restore_throttle": 1,
            "socket_keepalive": True,
            "health_check_interval": 30,
        }
        if settings.CELERY_BROKER_URL.startswith(("redis", "unix"))
        else {}
    ),
    accept_content=["json"],
    task_serializer="json",
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_default_queue="compute",
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_soft_shutdown_timeout=10,
    worker_hijack_root_logger=False,
    task_publish_retry=False,
    beat_schedule={
        "sweep": {
            "task": "sweep",
            "schedule": settings.SWEEP_EVERY_S,
            "options": {"queue": "control", "expires": settings.SWEEP_EVERY_S},
        }
    },
    imports=["workers.tasks"],
)
app.set_default()
