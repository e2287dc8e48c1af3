"""Lists cost the same number of queries however long they are."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.catalog.models import RegisteredModel
from registry.catalog.selectors import alias_named
from registry.catalog.services.register_version import Parent
from registry.evaluation.services.outputs import request_outputs
from registry.galleries.models import Gallery
from registry.galleries.services.acknowledge import acknowledge
from registry.upgrades.services.policy_scopes import set_policy
from registry.upgrades.services.signals import receive
from tests.builders import canaries
from tests.builders import registry as make
from tests.builders.staging import SIGNAL, a_guarded_alias, a_safeguard, a_schedule
from tests.builders.waivers import a_waived_promotion


def the_model():
    return RegisteredModel.objects.filter(name="digits").first() or make.a_model("digits")


def serving_model():
    make.a_promoted_upgrade()


def version_with_a_parent():
    parent = make.a_version(the_model())
    make.a_version(the_model(), parents=[Parent(parent.pk, "retrained_from")])


def alias():
    make.a_promoted_upgrade(make.an_alias(the_model(), make.a_name("alias")))


def move():
    make.a_promoted_upgrade(make.an_alias(the_model()))


def waived():
    a_waived_promotion(make.an_alias(the_model()), itemised=True)


def waived_alias():
    a_waived_promotion(make.an_alias(the_model(), make.a_name("alias")), itemised=True)


def pin():
    make.a_pin(make.an_alias(the_model()), make.a_set_revision())


def choice():
    alias, revision = make.an_alias(make.a_model()), make.a_policy_revision()
    set_policy(alias=alias, revision=revision, actor=make.a_user())


def outputs():
    version = the_model().versions.first() or make.a_version(the_model())
    request_outputs(version=version, revision=make.a_set_revision())


def revision():
    make.a_set_revision("faces")


def gallery():
    make.a_gallery(items=1)


def segment():
    held = Gallery.objects.filter(name="faces").first() or make.a_gallery(name="faces")
    make.an_insert(held, [make.a_name("item")])
    make.a_promoted_upgrade(held.alias)


def acknowledgement():
    held = Gallery.objects.filter(name="faces").first() or make.a_gallery(name="faces")
    consumer, actor = make.a_name("consumer"), make.a_user()
    acknowledge(gallery=held, consumer=consumer, epoch=held.epoch, actor=actor)


def scheduled():
    a_schedule(make.a_judged_upgrade(make.an_alias(the_model(), make.a_name("alias"))))


def guarded():
    alias = the_guarded_alias()
    a_safeguard(alias, signal=make.a_name("signal"), dual_query=True)


def signal():
    alias = the_guarded_alias()
    receive(alias=alias, signal=SIGNAL, firing=False, actor=make.a_user())


def the_guarded_alias():
    """Return the alias of encoders named digits@production, promoted twice and guarded."""
    if not RegisteredModel.objects.filter(name="digits").exists():
        alias = make.an_alias(make.a_model("digits", task="embedding"))
        a_guarded_alias(alias, items_after=3, forward=False)
    return alias_named("digits", "production")


def the_attached_gallery():
    found = Gallery.objects.filter(name="faces").first()
    if found is None:
        found = canaries.an_attached_gallery()
        found.name = "faces"
        found.save(update_fields=["name"])
    return found


def handed_in():
    canaries.accept(canaries.hand_in(the_attached_gallery()))


def canary_check():
    canaries.check(canaries.with_canaries(the_attached_gallery()))


LISTS = {
    "models": (serving_model, 4),
    "models/digits": (waived_alias, 9),
    "models/digits/versions": (version_with_a_parent, 7),
    "models/digits/versions/1/outputs": (outputs, 3),
    "models/digits/aliases": (alias, 3),
    "models/digits/aliases/production": (waived, 9),
    "models/digits/aliases/production/history": (move, 3),
    "models/digits/aliases/production/waivers": (waived, 3),
    "models/digits/aliases/production/gate": (pin, 5),
    "evaluation-sets": (make.a_set_revision, 2),
    "evaluation-sets/faces": (revision, 3),
    "policies": (make.a_policy_revision, 2),
    "policies/choices": (choice, 2),
    "upgrades": (make.a_judged_upgrade, 2),
    "schedules": (scheduled, 2),
    "models/digits/aliases/production/safeguards": (guarded, 39),
    "models/digits/aliases/production/signals": (signal, 3),
    "galleries": (gallery, 2),
    "galleries/faces": (segment, 6),
    "galleries/faces/live": (segment, 5),
    "galleries/faces/acknowledgements": (acknowledgement, 3),
    "galleries/faces/canaries": (handed_in, 3),
    "galleries/faces/canary-checks": (canary_check, 3),
    "ledger": (make.a_model, 2),
    "events": (make.a_judged_upgrade, 2),
    "tokens": (make.a_token, 2),
}
"""Address, what makes its answer longer, and its queries: one is the token's."""


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
    for _ in range(2):
        make_one()

    assert (one, count(api, path)) == (expected, expected)
