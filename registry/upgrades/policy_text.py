"""Policies as text: YAML or JSON to a document whose every part knows its line, and back.

Of YAML, only what JSON can say is taken: no tags, no anchors, no second document, and a plain
scalar is null, a boolean or a decimal number exactly where YAML 1.2 says so. ``no``, ``on``,
``1_000``, ``0o17``, ``12:30`` and dates stay texts.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml
from yaml.reader import ReaderError

from registry.upgrades.policy_problems import MAX_DEPTH, InvalidPolicyError, Problem

MAX_TEXT_BYTES = 100_000
"""Chosen: some five hundred rules."""

MAX_PARTS = 10_000
"""Keys and values (chosen): twenty for each of those rules."""

LONGEST_NUMBER = 40
"""Characters (chosen); no float needs more than 24."""

_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_NUMBER = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\Z")
_OTHER_BREAKS = re.compile("[\x85\u2028\u2029]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)

_NO_CHARACTER = "a character that is only taken as an escape, in double quotes"

_MEANT = {
    "mapping values are not allowed here": 'a text that holds ": " needs quotes',
    "could not find expected ':'": "a key is followed by a colon and a space",
    "found character '\\t' that cannot start any token": "indent with spaces, not with tabs",
    "found unexpected end of stream": "a quote or a bracket is never closed",
}
"""What is probably wrong, by what the parser says."""


@dataclass(frozen=True)
class Written:
    """A document as somebody wrote it.

    Attributes:
        text: the whole of it.
        document: what it says.
        places: offset in the text of each part, by its path.
    """

    text: str
    document: dict[str, Any]
    places: Mapping[str, int]

    def place_of(self, path: str) -> tuple[int, int]:
        """Return line and column of a part, or of the nearest part around it that is written."""
        while path and path not in self.places:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return _place(self.text, self.places[path])


def read_policy_text(text: str) -> dict[str, Any]:
    """Return the document that a text says; whether it is a policy is another question.

    Raises:
        InvalidPolicyError: it is neither YAML nor JSON, or says what JSON cannot.
    """
    return read_written(text).document


def read_written(text: str) -> Written:
    """Return the document that a text says, with where it says it.

    Raises:
        InvalidPolicyError: as ``read_policy_text``.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES:
        _refuse(text, 0, f"is longer than {MAX_TEXT_BYTES} bytes")
    other_break = _OTHER_BREAKS.search(text)
    if other_break:  # YAML 1.1 would fold these into a space
        _refuse(text, other_break.start(), _NO_CHARACTER)
    # JSON may be indented with tabs, YAML may not; in quotes, both drop an indent.
    is_json = text.lstrip("\ufeff \t\r\n").startswith("{")
    plain = _INDENT.sub(lambda m: " " * len(m[0]), text) if is_json else text
    try:
        loader = yaml.SafeLoader(plain)
    except ReaderError as exc:
        _refuse(text, exc.position, _NO_CHARACTER)
    tree = _Tree(plain, loader)
    try:
        document = tree.read()
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        said = exc.problem or exc.context or ""
        _refuse(text, mark.index if mark else 0, _MEANT.get(said, said))
    except (ValueError, OverflowError):  # the parser lets them through from chr() and int()
        _refuse(text, loader.index, "an escape or a directive that means nothing")
    return Written(text, document, tree.places)


def write_policy_text(document: Mapping[str, Any]) -> str:
    """Return a document as YAML that reads back as the same."""
    return yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=92, indent=2
    )


class _Tree:
    """Builds the document from the parser's events and notes where each part begins."""

    def __init__(self, text: str, parser: yaml.SafeLoader) -> None:
        self.text = text
        self.places: dict[str, int] = {}
        self._next = parser.get_event

    def read(self) -> dict[str, Any]:
        self._next()
        opening = self._next()
        if not isinstance(opening, yaml.DocumentStartEvent):
            self._refuse(opening, "nothing is written here")
        if opening.version or opening.tags:
            self._refuse(opening, "directives are not taken")
        first = self._next()
        document = self._node(first, "", 0)
        if not isinstance(document, dict):
            self._refuse(first, "must be an object: keys with their values")
        self._next()
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            self._refuse(after, "a second document begins here: one policy a text")
        return document

    def _node(self, event: Any, path: str, depth: int) -> Any:
        self.places.setdefault(path, event.start_mark.index)
        if len(self.places) > MAX_PARTS:
            self._refuse(event, f"holds more than {MAX_PARTS} parts")
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            self._refuse(event, "anchors and aliases are not taken: write it out", path)
        if event.tag:
            self._refuse(event, f"tags such as {event.tag[:40]} are not taken", path)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if depth >= MAX_DEPTH:
            self._refuse(event, f"is nested deeper than {MAX_DEPTH} levels", path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(path, depth)
        return self._object(path, depth)

    def _list(self, path: str, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, f"{path}[{len(items)}]", depth + 1))
        return items

    def _object(self, path: str, depth: int) -> dict[str, Any]:
        held: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._refuse(event, "a key must be a text", path)
            key = self._node(event, path, depth)
            if not isinstance(key, str):
                self._refuse(event, f"the key {event.value[:40]} is no text: quote it", path)
            if key in held:
                self._refuse(event, f"the key {key[:40]} is there twice", path)
            inner = f"{path}.{key}" if path else key
            self.places.setdefault(inner, event.start_mark.index)
            held[key] = self._node(self._next(), inner, depth + 1)
        return held

    def _scalar(self, event: Any, path: str) -> Any:
        value = event.value
        if event.style is None:
            if value in _WORDS:
                return _WORDS[value]
            if _NUMBER.match(value):
                return self._number(event, path)
        if _UNSTORABLE.search(value):
            try:  # JSON writes what lies beyond 16 bits as two escapes
                value = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
            except UnicodeDecodeError:
                self._refuse(event, "half a surrogate pair is no character", path)
            if "\x00" in value:
                self._refuse(event, "the NUL character is not taken", path)
        return value

    def _number(self, event: Any, path: str) -> int | float:
        if len(event.value) > LONGEST_NUMBER:
            self._refuse(event, f"a number has at most {LONGEST_NUMBER} characters", path)
        if _WHOLE.match(event.value):
            return int(event.value)
        number = float(event.value)
        if math.isinf(number):
            self._refuse(event, "must be a finite number", path)
        return number

    def _refuse(self, event: Any, detail: str, path: str = "") -> NoReturn:
        _refuse(self.text, event.start_mark.index, detail, path)


class _Dumper(yaml.SafeDumper):
    """Indents lists, repeats what it would alias, and quotes what reads as a number here."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _OTHER_BREAKS.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _NUMBER, list("-+.0123456789"))


def _refuse(text: str, offset: int, detail: str, path: str = "") -> NoReturn:
    line, column = _place(text, offset)
    raise InvalidPolicyError.of([Problem(path, detail, line, column)])


def _place(text: str, offset: int) -> tuple[int, int]:
    """Return line and column, from 1, as an editor counts them."""
    offset = min(offset, len(text))
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
