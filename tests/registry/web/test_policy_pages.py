"""Policies in words."""

from registry.upgrades.services.gates import ensure_alias
from registry.upgrades.services.policies import set_policy
from tests.builders import registry as make
from tests.registry.web.conftest import text_of


def test_each_rule_is_read_in_words(pages):
    ensure_alias(model=make.a_model(task="embedding"))

    words = text_of(pages.get("/policies/default-embedding/1/"))

    assert "empirical compatibility criterion mAP, new_old − old_old above 0" in words
    assert "the whole interval, each end at 95 % confidence" in words
    assert "loses at most 0.010" in words
    assert "advisory" in words


def test_it_says_what_it_guards(pages):
    alias, revision = make.an_alias(), make.a_policy_revision("mine")
    set_policy(alias=alias, revision=revision, actor=make.a_user())

    assert str(alias) in text_of(pages.get("/policies/mine/1/"))
    assert "everything classification" in text_of(pages.get("/policies/default-classification/1/"))


def test_revisions_are_listed(pages):
    make.a_policy_revision("mine")
    make.a_policy_revision("mine")

    words = text_of(pages.get("/policies/"))

    assert "mine:1" in words
    assert "mine:2" in words
