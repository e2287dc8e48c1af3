"""A browser without a window: a person who is logged in, and what a page says as text."""

import re
from collections import Counter
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


def labels_of(response: Any) -> Counter[str]:
    """Return the labels of the fields of a page with how many fields go by each."""
    found = re.findall(r'<label class="form-label[^>]*>([^<]+)</label>', response.content.decode())
    return Counter(said.strip() for said in found)


def labels_said_twice(response: Any) -> list[str]:
    """Return the labels that tell no field from another."""
    return [label for label, times in labels_of(response).items() if times > 1]
