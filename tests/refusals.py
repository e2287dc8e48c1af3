"""What a call is refused with."""

from collections.abc import Callable
from typing import Any

import pytest

from registry.core.errors import RegistryError
from workers.errors import PermanentError


def refused(act: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """Return the code with which a service refuses."""
    with pytest.raises(RegistryError) as found:
        act(*args, **kwargs)
    return found.value.code


def refusal(call: Callable[..., Any], *args: Any, **kwargs: Any) -> PermanentError:
    """Return the error with which a worker gives something up for good."""
    with pytest.raises(PermanentError) as found:
        call(*args, **kwargs)
    return found.value
