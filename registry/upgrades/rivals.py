"""Two candidates against the same incumbent: which one breaks whom."""

from dataclasses import dataclass

from registry.core.errors import ConflictError, InvalidInputError
from registry.core.leases import WorkState
from registry.evaluation.models import Comparison, SetRevision
from registry.evaluation.selectors import comparison_of, negative_flips
from registry.upgrades.models import Upgrade
from registry.upgrades.services.situation import situation_of


@dataclass(frozen=True)
class Broken:
    """Samples that the incumbent gets right and a candidate does not, on one evaluation set.

    ``is_complete`` is false where a comparison lists only the first of its flips. Both comparisons
    are held, the first candidate's first, for who wants to see the samples.
    """

    evaluation_set: str
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    both: tuple[str, ...]
    is_complete: bool
    comparisons: tuple[Comparison, Comparison]


def broken_by(first: Upgrade, second: Upgrade) -> list[Broken]:
    """Return, for each set that judges their alias, what each of two candidates breaks.

    Raises:
        InvalidInputError: the two are for different aliases.
        ConflictError: there is no incumbent, or one of them was not compared with it yet.
    """
    if first.alias_id != second.alias_id:
        raise InvalidInputError("the two upgrades are for different aliases", code="other_alias")
    situation = situation_of(first)
    if situation.incumbent is None:
        raise ConflictError(f"{first.alias} names no version yet", code="alias_empty")
    found = []
    for pin in situation.pins:
        one, two = (
            _compared(situation.incumbent.digest, upgrade, pin) for upgrade in (first, second)
        )
        (by_one, one_is_whole), (by_two, two_is_whole) = negative_flips(one), negative_flips(two)
        found.append(
            Broken(
                str(pin),
                tuple(sorted(by_one - by_two)),
                tuple(sorted(by_two - by_one)),
                tuple(sorted(by_one & by_two)),
                one_is_whole and two_is_whole,
                (one, two),
            )
        )
    return found


def _compared(incumbent: str, upgrade: Upgrade, pin: SetRevision) -> Comparison:
    comparison = comparison_of(incumbent, upgrade.candidate.digest, pin.digest)
    if comparison is None or comparison.work_state != WorkState.DONE:
        raise ConflictError(
            f"{upgrade.candidate} was not compared with the incumbent yet", code="not_compared"
        )
    return comparison
