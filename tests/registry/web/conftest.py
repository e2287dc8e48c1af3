"""A browser without a window: a person who is logged in, and what a page says as text."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.builders import registry as make

HTMX = {"HX-Request": "true"}


@pytest.fixture
def ada(db: None) -> User:
    """Who is logged in."""
    return make.a_user("ada")


@pytest.fixture
def pages(ada: User) -> Client:
    """A client that carries ada's session."""
    client = Client()
    client.force_login(ada)
    return client


def text_of(response: Any) -> str:
    """Return the words of a page, without its tags, with single spaces."""
    plain = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", plain)


def outcomes_of(response: Any) -> list[str]:
    """Return every outcome or state that the one component shows, in order."""
    return re.findall(r'class="standing standing-([a-z]+)', response.content.decode())
