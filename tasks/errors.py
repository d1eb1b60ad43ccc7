"""What can go wrong, in the user's words."""

from collections.abc import Sequence


class TidemillError(Exception):
    """A fault that the user can mend: which file or key, what was wrong, what would be right."""


class RecipeError(TidemillError, ValueError):
    """A recipe says something that cannot be done."""


class SourceError(TidemillError, OSError):
    """A source could not be read, or is not what its recipe promised."""


class PromiseError(TidemillError, ValueError):
    """The data breaks an expectation, a split leaks, or a model fails its budget."""


class ServerError(TidemillError, ConnectionError):
    """A server that the command needs does not answer."""


class BusyError(TidemillError, RuntimeError):
    """Somebody else is doing the same thing right now."""


def listed(faults: Sequence[str], heading: str) -> str:
    """All faults in one message: a line when there is one, a heading with a list when there are more."""
    if len(faults) == 1:
        return f"{heading}: {faults[0]}"
    return "\n".join([f"{heading}, {len(faults)} faults:", *(f"  - {fault}" for fault in faults)])
