"""An alias moves only from the epoch that its mover has read."""

import pytest

from registry.catalog.models import Alias, AliasMove
from registry.catalog.services.move_alias import move_alias
from registry.core.errors import ConflictError
from tests.builders import registry as build

pytestmark = pytest.mark.django_db


def test_who_read_an_earlier_epoch_moves_nothing():
    first = build.an_alias()
    second = Alias.objects.get(pk=first.pk)
    version, late = (build.a_version(first.model) for _ in range(2))
    how = {"kind": AliasMove.Kind.PROMOTE, "actor": build.a_user(), "reason": "", "evidence": ""}
    move_alias(alias=first, to_version=version, **how)

    with pytest.raises(ConflictError) as refused:
        move_alias(alias=second, to_version=late, **how)

    assert refused.value.code == "alias_moved"
    assert Alias.objects.get(pk=first.pk).version == version
    assert [move.to_version for move in first.moves.all()] == [version]
