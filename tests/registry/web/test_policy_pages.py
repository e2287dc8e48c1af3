"""Policies in words: each revision, where it is set, and where the rules of an alias come from."""

import re

from registry.audit.models import LedgerEntry
from registry.catalog.models import RegisteredModel
from registry.upgrades.models import PolicyChoice
from registry.upgrades.policy_scopes import Place
from registry.upgrades.services.gates import ensure_alias
from registry.upgrades.services.policies import add_policy_revision
from registry.upgrades.services.policy_scopes import choose_policy, set_group, set_policy
from tests.builders import registry as make
from tests.registry.web.conftest import text_of

LAYER = """\
# Ask Ann before you change this.
task: classification
inherits: true
level: full
severity: {"7": 5}
without: [accuracy kept]
rules:
  - name: no group left behind
    measurement: nfr
    bound: at_most
    threshold: 0.02
    slices: ["class=*&ink=*"]
    min_support: 50
    promise: backward
    owner: trust team
    rationale: Every digit, every pen.
  - name: any slice
    measurement: accuracy.new_minus_old
    bound: at_least
    threshold: -0.02
    slices: ["*"]
    across: any
    correction: benjamini_hochberg
    advisory: true
"""


def a_layer(name="layered"):
    return add_policy_revision(name=name, text=LAYER, actor=make.a_user())


def rows_of(response):
    """Return the cells of each row of the tables on a page, by the first one's first word."""
    rows = re.findall(r"<tr>(.*?)</tr>", response.content.decode(), re.DOTALL)
    cells = [re.findall(r"<td.*?>(.*?)</td>", row, re.DOTALL) for row in rows]
    plain = [[re.sub(r"<[^>]+>|\s+", " ", cell) for cell in row] for row in cells]
    return [[re.sub(r"\s+", " ", cell).strip() for cell in row] for row in plain if row]


def row_of(response, name):
    [row] = [row for row in rows_of(response) if row[0].startswith(name)]
    return row


def test_each_rule_is_read_in_words(pages):
    ensure_alias(model=make.a_model(task="embedding"))

    response = pages.get("/policies/default-embedding/1/")

    words = text_of(response)
    assert "Level backward: whoever used the incumbent can use the candidate" in words
    assert "95 %, each end of an interval" in words
    assert "mAP loses at most 0.010 on at least 100 queries" in words
    row = row_of(response, "empirical compatibility criterion")
    assert "mAP, new_old − old_old above 0" in row[1]
    assert "100 samples or more" in row[1]
    assert row[2] == "backward"
    assert "advisory" in row_of(response, "first hit kept")[0]
    assert row_of(response, "better than chance")[2] == "at every level"


def test_a_layer_says_what_it_changes(pages):
    a_layer()

    response = pages.get("/policies/layered/1/")

    words = text_of(response)
    assert "a layer: inherits what it does not set" in words
    assert "Without accuracy kept" in words
    assert "Severity 7 × 5" in words
    row = row_of(response, "no group left behind")
    assert "Owner: trust team" in row[0]
    assert "on class=*&amp;ink=* each must hold; 50 samples or more" in row[1]
    alert = row_of(response, "any slice")
    assert "an alert where any regressed, Benjamini–Hochberg corrected" in alert[1]


def test_the_text_is_shown_as_it_was_written_and_what_changed(pages):
    a_layer()
    text = LAYER.replace('0.02\n    slices: ["class', '0.01\n    slices: ["class')
    add_policy_revision(name="layered", text=text, actor=make.a_user())

    first, second = (pages.get(f"/policies/layered/{n}/").content.decode() for n in (1, 2))

    assert "# Ask Ann before you change this." in first
    assert "Changed since" not in first
    assert '<span class="diff-removed">-    threshold: 0.02</span>' in second
    assert '<span class="diff-added">+    threshold: 0.01</span>' in second


def test_a_policy_that_came_as_a_document_is_shown_as_text_too(pages):
    make.a_policy_revision("mine")

    words = text_of(pages.get("/policies/mine/1/"))

    assert "it came as a document" in words
    assert "measurement: nfr" in words


def test_it_says_where_it_is_set(pages):
    alias, revision = make.an_alias(), make.a_policy_revision("mine")
    assert "Nowhere: it guards nothing" in text_of(pages.get("/policies/mine/1/"))

    set_policy(alias=alias, revision=revision, actor=make.a_user())

    assert f"alias {alias}" in text_of(pages.get("/policies/mine/1/"))
    assert "everything classification" in text_of(pages.get("/policies/default-classification/1/"))


def test_a_revision_is_set_for_any_scope_of_its_task(pages):
    alias = make.an_alias(make.a_model("digits"))
    set_group(model=alias.model, group="vision", actor=make.a_user())
    make.an_alias(make.a_model("faces", task="embedding"))
    make.a_policy_revision("mine")
    offered = pages.get("/policies/mine/1/").content.decode()
    places = re.findall(r'<option value="(\w+:[^"]+)"', offered)

    for place in places:
        response = pages.post("/policies/mine/1/set/", {"place": place})
        assert response.url == "/policies/mine/1/#set"

    assert places == [
        "everything:classification",
        "group:classification:vision",
        "model:digits",
        "alias:digits:production",
    ]
    assert [c.where for c in PolicyChoice.objects.filter(policy_revision__policy__name="mine")] == [
        "everything classification",
        "group vision",
        "model digits",
        "alias digits@production",
    ]


def test_a_scope_that_is_not_offered_is_not_set(pages):
    make.an_alias(make.a_model("faces", task="embedding"))
    make.a_policy_revision("mine")

    for place in ("", "model:faces", "everything:embedding", "model:gone", "x"):
        response = pages.post("/policies/mine/1/set/", {"place": place}, follow=True)
        assert "Choose where to set it." in text_of(response)


def test_a_refused_setting_is_told_and_noted(pages):
    make.an_alias(make.a_model("digits"))
    add_policy_revision(
        name="odd",
        text="task: classification\ninherits: true\nwithout: [gone]",
        actor=make.a_user(),
    )

    response = pages.post("/policies/odd/1/set/", {"place": "model:digits"}, follow=True)

    assert "invalid_policy" in text_of(response)
    entry = LedgerEntry.objects.last()
    assert (entry.actor, entry.action, entry.body["policy"]) == ("ada", "policy.set", "odd:1")


def test_what_is_set_is_listed_widest_first_and_unset(pages):
    alias = make.an_alias(make.a_model("digits"))
    set_policy(alias=alias, revision=a_layer(), actor=make.a_user())
    choose_policy(
        place=Place.of_model(alias.model), revision=make.a_policy_revision(), actor=make.a_user()
    )

    words = text_of(pages.get("/policies/"))
    choice = PolicyChoice.objects.get(scope="alias")
    response = pages.post(f"/policies/choices/{choice.pk}/remove/")

    listed = ["everything classification", "model digits", "alias digits@production"]
    positions = [words.index(where) for where in listed]
    assert positions == sorted(positions)
    assert response.url == "/models/digits/aliases/production/"
    assert not PolicyChoice.objects.filter(scope="alias").exists()


def test_the_widest_policy_cannot_be_taken_away(pages):
    make.an_alias()
    choice = PolicyChoice.objects.get(scope="everything")

    response = pages.post(f"/policies/choices/{choice.pk}/remove/", follow=True)

    assert "nothing_wider" in text_of(response)
    assert PolicyChoice.objects.get() == choice


def test_an_alias_shows_its_effective_policy_and_where_each_rule_comes_from(pages):
    alias = make.an_alias(make.a_model("digits"))
    choose_policy(place=Place.of_model(alias.model), revision=a_layer(), actor=make.a_user())

    response = pages.get("/models/digits/aliases/production/")

    assert row_of(response, "negative flips")[2:] == [
        "blocks backward",
        "everything default-classification:1",
    ]
    assert row_of(response, "no group left behind")[2:] == ["blocks backward", "model layered:1"]
    assert row_of(response, "any slice")[2:] == ["advisory at every level", "model layered:1"]
    assert row_of(response, "cumulative flips")[2] == "not at this level the whole chain"
    words = text_of(response)
    assert "full: backward, forward, and at every stage of a backfill model layered:1" in words
    assert "95 %, each end of an interval everything default-classification:1" in words
    assert "accuracy kept" not in words


def test_an_alias_inherits_again_by_a_button(pages):
    alias = make.an_alias(make.a_model("digits"))
    path = "/models/digits/aliases/production/"
    assert "Inherit again" not in text_of(pages.get(path))

    set_policy(alias=alias, revision=a_layer(), actor=make.a_user())

    assert "Inherit again" in text_of(pages.get(path))


def test_a_model_joins_a_group(pages):
    make.an_alias(make.a_model("digits"))

    response = pages.post("/models/digits/group/", {"group": "vision"}, follow=True)
    wrong = pages.post("/models/digits/group/", {"group": "a b"}, follow=True)

    assert "belongs to the group vision" in text_of(response)
    assert "invalid_name" in text_of(wrong)
    assert RegisteredModel.objects.get(name="digits").group == "vision"


def test_a_model_shows_the_policy_that_is_set_for_it(pages):
    alias = make.an_alias(make.a_model("digits"))
    choose_policy(place=Place.of_model(alias.model), revision=a_layer(), actor=make.a_user())

    assert "layered:1 is set for the model" in text_of(pages.get("/models/digits/"))


def test_revisions_are_listed(pages):
    make.a_policy_revision("mine")
    make.a_policy_revision("mine")

    words = text_of(pages.get("/policies/"))

    assert "mine:1" in words
    assert "mine:2" in words
