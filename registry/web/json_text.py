"""JSON as people read it: indented, with a list of plain values on one line."""

import json
import re
from typing import Any

_PLAIN_LIST = re.compile(r"\[\n([^\[\]{}]*?)\n\s*\]")
_BREAK = re.compile(r"\n\s*")


def json_text(document: Any) -> str:
    """Return indented JSON; no line break inside a string can be there to be joined."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return _PLAIN_LIST.sub(lambda found: f"[{_BREAK.sub(' ', found[1]).strip()}]", text)
