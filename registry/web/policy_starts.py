"""Texts that a new policy can start from: the defaults, and a layer over what is wider."""

from dataclasses import dataclass

from compat.policy import Task
from compat.policy_defaults import DEFAULTS
from registry.upgrades.policy_text import write_policy_text


@dataclass(frozen=True)
class Start:
    """A text to start from."""

    key: str
    label: str
    text: str


_HEAD = """\
# {title}
# Every rule: name, measurement, bound (at_most, at_least, above), threshold.
# It blocks where the level makes its promise, unless it is advisory.
"""

_LAYER = """\
# A layer: what it does not name is inherited from the wider scope.
task: {task}
inherits: true
level: full

# A rule of an inherited name replaces that rule, another name adds one.
rules:
  - name: {name}
    measurement: {measurement}
    bound: at_most
    threshold: {threshold}
    min_support: {support}
    promise: backward
    owner: ""
    rationale: ""

# Inherited rules that shall not apply here.
without: []
"""

_LAYER_RULES = {
    Task.CLASSIFICATION: ("negative flips", "nfr", 0.005, 600),
    Task.EMBEDDING: ("retrieval flips", "retrieval_nfr", 0.02, 200),
}


def _whole(task: Task) -> Start:
    head = _HEAD.format(title=f"A whole policy for {task} models: it inherits nothing.")
    return Start(task, f"the default for {task}", head + write_policy_text(DEFAULTS[task]))


def _layer(task: Task) -> Start:
    keys = ("name", "measurement", "threshold", "support")
    rule = dict(zip(keys, _LAYER_RULES[task], strict=True))
    return Start(f"{task}-layer", f"a layer for {task}", _LAYER.format(task=task, **rule))


STARTS = {start.key: start for make in (_whole, _layer) for start in map(make, Task)}
"""By the name in the address."""
