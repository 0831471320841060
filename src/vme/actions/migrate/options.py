"""What a command says about how a guest moves, over what its zone says."""

from typing import Any

from vme.config import MigrationSettings, conflict
from vme.errors import Misused
from vme.records import replace


def with_options(plain: MigrationSettings, **given: Any) -> MigrationSettings:
    """The zone's settings with those that were given (not None) in their place. Raises Misused where two conflict."""
    settings = replace(plain, **{name: value for name, value in given.items() if value is not None})
    problem = conflict(settings)
    if problem:
        raise Misused(f"this can't be together: {problem}", hint="tunnelled, tls and mode are set in the configuration")
    return settings
