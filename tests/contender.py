"""One process of a race: what a web process runs, without its server, in many threads.

Each line of its input is a list of requests, each of which gets a thread and a connection of its
own. All of them, with those of every other process, stand at one line: an advisory lock that the
test holds until everybody waits for it. Each line of its output is the list of answers.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core.handlers.base import BaseHandler
from django.db import connection
from django.test import RequestFactory

from registry.wsgi import application

LINE = 20_051_116
"""The number of the advisory lock that everybody waits for (chosen)."""

CROWD = 200
"""At most so many requests at once in one process."""


def answer_to(request: dict[str, Any], handler: BaseHandler = application) -> dict[str, Any]:
    """Wait for the start, carry the request out, and return its status with its body."""
    built = RequestFactory(SERVER_NAME="localhost").post(
        request["path"],
        request["body"],
        content_type="application/json",
        headers={"Authorization": f"Bearer {request['token']}"},
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [LINE])
    response = handler.get_response(built)
    is_json = response.headers["Content-Type"] == "application/json"
    return {"status": response.status_code, **(json.loads(response.content) if is_json else {})}


def main() -> None:
    """Answer until the input ends."""
    with ThreadPoolExecutor(max_workers=CROWD) as crowd:
        for line in sys.stdin:
            print(json.dumps(list(crowd.map(answer_to, json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
