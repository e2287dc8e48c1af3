"""Lists cost the same number of queries however long they are."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.builders import registry as make


def models():
    alias = make.an_alias()
    make.a_promoted_upgrade(alias)


def versions():
    model = make.RegisteredModel.objects.filter(name="digits").first() or make.a_model("digits")
    parent = make.a_version(model)
    make.a_version(model, parents=[make.Parent(parent.pk, "retrained_from")])


def aliases():
    model = make.RegisteredModel.objects.filter(name="digits").first() or make.a_model("digits")
    make.a_promoted_upgrade(make.an_alias(model, make.a_name("alias")))


def moves():
    model = make.RegisteredModel.objects.filter(name="digits").first() or make.a_model("digits")
    make.a_promoted_upgrade(make.an_alias(model))


def upgrades():
    make.a_judged_upgrade()


def galleries():
    make.a_gallery(items=1)


def segments():
    gallery = make.Gallery.objects.filter(name="faces").first() or make.a_gallery(name="faces")
    make.an_insert(gallery, [make.a_name("item")])
    make.a_promoted_upgrade(gallery.alias)


def pins():
    moves()
    alias = make.Alias.objects.get(model__name="digits", name="production")
    make.a_pin(alias)


def outputs():
    pins()
    make.judge(make.an_upgrade(make.Alias.objects.get(model__name="digits")))


def flips():
    make.Comparison.objects.first() or make.a_comparison(flips=3)


LISTS = {
    "models": (models, 4),
    "models/digits/versions": (versions, 7),
    "models/digits/aliases": (aliases, 3),
    "models/digits/aliases/production/history": (moves, 3),
    "models/digits/aliases/production/gate": (pins, 6),
    "evaluation-sets": (make.a_set_revision, 2),
    "policies": (make.a_policy_revision, 2),
    "upgrades": (upgrades, 2),
    "galleries": (galleries, 2),
    "galleries/faces": (segments, 5),
    "galleries/faces/live": (segments, 3),
    "ledger": (make.a_model, 2),
    "events": (make.a_judged_upgrade, 2),
    "tokens": (make.a_token, 2),
}
"""Address, what makes it one longer, and its queries: one is the token's."""


def count(api, path):
    with CaptureQueriesContext(connection) as queries:
        assert api.get(path).status_code == 200
    return len(queries)


@pytest.mark.parametrize("path", LISTS)
def test_a_list_costs_the_same_however_long_it_is(api, path):
    make_one, expected = LISTS[path]
    make_one()
    api.get("models")  # notes when the token was used
    one = count(api, path)
    for _ in range(3):
        make_one()

    assert (one, count(api, path)) == (expected, expected)
