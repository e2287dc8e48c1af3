"""Programs that stand in the documentation, run as they stand there."""

import re
from pathlib import Path
from types import ModuleType

DOCS = Path(__file__).resolve().parent.parent / "docs"


def python_in(name: str) -> ModuleType:
    """Return the one Python program of a page, as a module that was imported."""
    (program,) = re.findall(r"```python\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)
    module = ModuleType(name.removesuffix(".md"))
    exec(compile(program, name, "exec"), module.__dict__)
    return module
