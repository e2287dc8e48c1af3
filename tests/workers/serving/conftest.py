"""A search process in this thread: its endpoints, with segments and encoders of its own."""

import json

import pytest
from django.test import Client

from workers.serving import views
from workers.serving.encoders import Encoders
from workers.serving.preparation import Preparation
from workers.serving.search import Search
from workers.serving.segments import Segments


class SearchClient:
    """Asks the endpoints as the web process does."""

    def __init__(self, secret):
        self.secret = secret
        self.client = Client()

    def ask(self, gallery, **query):
        """Return the answer to a query that must succeed."""
        response = self.post(gallery, query)
        assert response.status_code == 200, response.content
        return response.json()

    def ids(self, gallery, **query):
        """Return the ids of the hits, best first."""
        return [hit["id"] for hit in self.ask(gallery, **query)["hits"]]

    def refusal(self, gallery, **query):
        """Return status and code of a refusal."""
        response = self.post(gallery, query)
        return response.status_code, response.json().get("code")

    def post(self, gallery, body):
        """Send anything to the search endpoint."""
        data = body if isinstance(body, bytes) else json.dumps(body)
        name = gallery if isinstance(gallery, str) else gallery.name
        return self.client.post(
            f"/galleries/{name}/search",
            data,
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.secret}"},
        )


@pytest.fixture
def search_process(settings, monkeypatch):
    """The state of a search process that has just started."""
    settings.ROOT_URLCONF = "workers.serving.urls"
    settings.MIDDLEWARE = []
    running = Search(Segments(), Encoders())
    monkeypatch.setattr(views, "running", running)
    monkeypatch.setattr(views, "preparation", Preparation(running))
    yield running
    running.encoders.keep_only(())


@pytest.fixture
def search(search_process, settings):
    return SearchClient(settings.SEARCH_SECRET)
