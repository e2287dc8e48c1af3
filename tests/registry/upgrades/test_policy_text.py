"""Policies as text: what YAML and JSON may say, and on which line they say it."""

import copy
import json
import math
import re
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from compat.policy import Task
from compat.policy_defaults import DEFAULTS
from registry.upgrades.policy_problems import InvalidPolicyError, require_policy
from registry.upgrades.policy_text import (
    MAX_TEXT_BYTES,
    read_policy_text,
    read_written,
    write_policy_text,
)

TEXT = """\
# Stricter than the default.
task: classification
confidence: 0.95
rules:
  - name: negative flips     # the budget
    measurement: nfr
    bound: at_most
    threshold: 0.005
    rationale: >
      Nobody likes an answer
      that was right before.
first_version:
  - {name: useful, measurement: accuracy.new, bound: above, threshold: .5}
"""


def judge(text):
    """Read a text and say whether it is a policy, as a service does."""
    written = read_written(text)
    require_policy(written.document, written)


def problems_of(text):
    """Return what is wrong with a text."""
    try:
        judge(text)
    except InvalidPolicyError as refusal:
        return refusal.problems
    return ()


def problem_of(text):
    """Return the one thing that is wrong with a text."""
    [problem] = problems_of(text)
    return problem


def test_a_text_says_a_document():
    document = read_policy_text(TEXT)

    assert document["confidence"] == 0.95
    assert document["rules"][0]["rationale"] == "Nobody likes an answer that was right before.\n"
    assert document["first_version"][0]["threshold"] == 0.5
    assert require_policy(document) is Task.CLASSIFICATION


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_json_is_read_by_the_same_reader(task, indent):
    document = DEFAULTS[task]

    assert read_policy_text(json.dumps(document, indent=indent)) == document
    assert read_policy_text(json.dumps(document, separators=(",", ":"))) == document


@pytest.mark.parametrize(
    "plain",
    [
        *("no", "No", "yes", "on", "off", "y", "n", "tRUE", "nULL"),
        *("1_000", "0o17", "0x1F", "0b11", "010", "12:30", "190:20:30"),
        *("2026-11-22", "2026-11-22T10:00:00Z", ".inf", "-.inf", ".nan", "NaN", "Infinity"),
        *("1e", "1.2.3", "=", "<<", "--1", "1,5"),
    ],
)
def test_what_other_readers_turn_into_something_else_stays_a_text(plain):
    assert read_policy_text(f"key: {plain}") == {"key": plain}


@pytest.mark.parametrize(
    ("plain", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("7", 7),
        ("-0.01", -0.01),
        ("+2", 2),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("'1'", "1"),
        ('"true"', "true"),
    ],
)
def test_plain_words_and_numbers_are_what_yaml_12_says(plain, value):
    found = read_policy_text(f"key: {plain}")["key"]

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ("", 1, 1, "nothing is written"),
        ("# only a remark\n", 2, 1, "nothing is written"),
        ("- a\n", 1, 1, "must be an object"),
        ("just words", 1, 1, "must be an object"),
        ("a: 1\nb: 2\na: 3\n", 3, 1, "'a' is there twice".replace("'", "")),
        ("a: &x [1]\nb: 2\n", 1, 4, "anchors and aliases"),
        ("a: 1\nb: *x\n", 2, 4, "anchors and aliases"),
        ("a: !!python/name:os.system x\n", 1, 4, "tags"),
        ("a: !!float 1\n", 1, 4, "tags"),
        ("%YAML 1.1\n---\na: 1\n", 1, 1, "directives"),
        ("a: 1\n---\nb: 2\n", 2, 1, "second document"),
        ("a:\n  7: 5\n", 2, 3, "the key 7 is no text"),
        ("a:\n  true: 5\n", 2, 3, "the key true is no text"),
        ("? [1, 2]\n: 3\n", 1, 3, "a key must be a text"),
        ("a: 1e999\n", 1, 4, "finite"),
        ("a: " + "1" * 41, 1, 4, "at most 40"),
        ("a: b: c\n", 1, 5, "needs quotes"),
        ("a:\n\t- b\n", 2, 1, "not with tabs"),
        ("a: [1, 2\n", 2, 1, ""),
        ('a: "open\n', 2, 1, "never closed"),
        ('a: "\\ud800"\n', 1, 4, "surrogate"),
        ('a: "\\0"\n', 1, 4, "NUL"),
        ('a: "\\UFFFFFFFF"\n', 1, 7, "means nothing"),
        ("a: \x07\n", 1, 4, "only taken as an escape"),
        ("a: 1\nb: 'x\u2028y'\n", 2, 6, "only taken as an escape"),
        ("a: " + "[" * 9 + "]" * 9, 1, 9, "nested deeper"),
        ("a:\r\n  b: 1\r\n  b: 2\r\n", 3, 3, "there twice"),
    ],
)
def test_what_json_cannot_say_is_refused_with_the_place(text, line, column, said):
    problem = problem_of(text)

    assert (problem.line, problem.column) == (line, column)
    assert said in problem.detail


def test_a_text_that_is_too_long_is_not_read():
    assert "longer than" in problem_of("a: " + "x" * MAX_TEXT_BYTES).detail
    assert "more than" in problem_of("- a\n" * 20_000).detail
    assert "longer than" in problem_of("# " + "\N{HIRAGANA LETTER A}" * 40_000).detail


def test_aliases_do_not_multiply():
    bomb = "a: &a [x, x]\n" + "".join(
        f"{name}: &{name} [*{prior}, *{prior}]\n"
        for prior, name in zip("abcdefghijklmn", "bcdefghijklmno", strict=True)
    )

    assert problem_of(bomb).line == 1


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "said"),
    [
        ("threshold: 0.005", "threshold: low", 8, "rules[0].threshold", "must be a finite number"),
        ("threshold: 0.005", "threshold: 1_000", 8, "rules[0].threshold", "finite number"),
        ("threshold: 0.005", "treshold: 0.005", 8, "rules[0].treshold", "threshold is meant?"),
        ("task: classification", "task: 7", 2, "task", "one of classification, embedding"),
        ("confidence: 0.95", "confidence: 0.93", 3, "confidence", "must be one of 0.9, 0.95"),
        ("confidence: 0.95", "confidnce: 0.95", 3, "confidnce", "confidence is meant?"),
        ("bound: at_most", "bound: below", 7, "rules[0].bound", "at_most, at_least, above"),
        ("measurement: nfr", "measurement: 3", 6, "rules[0].measurement", "put it in quotes"),
        ("name: useful, ", "", 13, "first_version[0]", "missing name"),
        ("confidence: 0.95", "confidence: 0.95\nlevel: full_transitive", 4, "level", "cumulative"),
        ("threshold: 0.005", "threshold: 1.0", 4, "rules", "no rule can fail"),
        ("task: classification", "task: embedding", 2, "", "missing coverage"),
        ("task: classification\n", "severity: {'7': -1}\n", 2, "severity.7", "at least 0"),
    ],
)
def test_what_is_wrong_with_a_policy_is_told_with_its_line(old, new, line, path, said):
    text = TEXT.replace(old, new)
    with pytest.raises(InvalidPolicyError) as refusal:
        judge(text)
    found = [p for p in refusal.value.problems if p.path == path]

    assert [p.line for p in found] == [line]
    assert said in found[0].detail
    assert f"line {line}, column" in str(refusal.value)
    assert refusal.value.code == "invalid_policy"


def test_every_problem_is_told_at_once_in_the_order_of_the_text():
    text = TEXT.replace("0.95", "95").replace("at_most", "below").replace("above", "over")

    assert [problem.line for problem in problems_of(text)] == [3, 7, 13]


@pytest.mark.parametrize("document", DEFAULTS.values(), ids=DEFAULTS)
def test_a_default_is_written_so_that_a_person_can_edit_it(document):
    text = write_policy_text(document)

    assert read_policy_text(text) == document
    assert text.startswith("task: ")
    assert "\n  - name: " in text
    assert max(map(len, text.splitlines())) <= 100


words = st.text(
    st.one_of(
        st.characters(codec="utf-8", exclude_characters="\x00"),
        st.sampled_from("0123456789eE+-._:#[]{}\"'\\|>&*!%@`~=<,? \n\r\t"),
    ),
    max_size=12,
)
plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    words,
    st.sampled_from(["no", "1e3", "1_0", "012", "null", "~", "", " ", "- x", "1.", "+1", "<<"]),
)
documents = st.dictionaries(
    words,
    st.one_of(
        plain,
        st.lists(plain, max_size=3),
        st.lists(st.dictionaries(words, plain, max_size=3), max_size=3),
        st.dictionaries(words, plain, max_size=3),
    ),
    max_size=4,
)


def same(one, other):
    """Whether two documents are equal, and a number nowhere stands for a boolean or a text."""
    return one == other and repr(one) == repr(other)


@settings(max_examples=100, deadline=None)
@given(documents)
@example({"a": "1e3", "b": -0.0, "c": 1e16, "d": 5e-324, "\U0001f600": "\u2028\x85\ufeff"})
def test_a_document_that_is_written_reads_back_equal(document):
    assert same(read_policy_text(write_policy_text(document)), document)


@settings(max_examples=100, deadline=None)
@given(documents, st.sampled_from([None, 1, "\t"]), st.booleans())
@example({"\U0001f600": "\x7f\x80"}, None, True)
def test_a_document_that_is_written_as_json_reads_back_equal(document, indent, is_ascii):
    text = json.dumps(document, indent=indent, ensure_ascii=is_ascii)

    if re.search("[\x7f-\x9f\u2028\u2029\ufffe\uffff]", text):
        total(text)  # only taken as an escape
    else:
        assert same(read_policy_text(text), document)


def total(text):
    """Read a text that may be anything: the only ways out are a document and a refusal."""
    try:
        document = read_policy_text(text)
    except InvalidPolicyError as refusal:
        [problem] = refusal.problems
        assert problem.detail
        assert 1 <= problem.line <= text.count("\n") + 1
        assert problem.column >= 1
    else:
        json.dumps(document, allow_nan=False).encode()


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=[]), max_size=60))
@example("\ufeff\ufeff{")
@example("%YAML 1." + "1" * 5000 + "\n---\na: 1")
@example('a: "\\U00110000"')
@example("%TAG ! %ff%ff\n---\n!x a: 1")
@example("!<%ff> a: 1")
def test_any_text_gives_a_document_or_a_refusal(text):
    total(text)


pieces = st.sampled_from(
    [
        *("a", "b: ", ": ", "- ", "? ", "\n", "\n  ", "  ", "\t", "#", "|", ">", "|2-\n", "---\n"),
        *("...", "[", "]", "{", "}", ",", "'", '"', "\\", "\\x4", "\\U", "&a", "*a", "!", "!!str "),
        *("!<", "%YAML 1", "%TAG ", "%ff", "@", "`", "1", "1e9999", "0x", "~", "<<", "=", "\ufeff"),
        *("\r", "\x85", "\u2028", "\ud83d", "\x00", "\x1b", "null", "true", "task", "rules"),
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(pieces, max_size=25).map("".join))
def test_any_heap_of_syntax_gives_a_document_or_a_refusal(text):
    total(text)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_edit_of_a_policy_gives_a_policy_or_a_refusal_with_lines(data):
    text = data.draw(st.sampled_from([TEXT, *map(write_policy_text, DEFAULTS.values())]))
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(len(text), start + 40)))
    text = text[:start] + data.draw(st.one_of(pieces, words)) + text[stop:]

    assert all(1 <= problem.line <= text.count("\n") + 1 for problem in problems_of(text))


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(plain | st.just(math.nan), lambda x: st.lists(x) | st.dictionaries(words, x)),
    st.data(),
)
def test_any_object_is_a_policy_or_is_refused(value, data):
    document = copy.deepcopy(DEFAULTS[data.draw(st.sampled_from(list(Task)))])
    document[data.draw(st.sampled_from([*document, "severity", "cut_off", "inherits"]))] = value
    for candidate in (value, document):
        with suppress(InvalidPolicyError):
            require_policy(candidate)
