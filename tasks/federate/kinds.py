"""The two ways to train a part of the model, behind the same functions."""

from typing import TYPE_CHECKING, Any, Protocol, cast

from tasks.federate.local import Local
from tasks.federate.messages import Arrays

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.federate.desk import Desk
    from tasks.federate.plan import Plan


class Kind(Protocol):
    """What training a part of the model needs."""

    def initial(self, plan: "Plan", base_model: "Path") -> Arrays:
        """The shared arrays before the first round."""
        ...

    def examples(self, desk: "Desk") -> dict[str, Any]:
        """Train, validation and test records as the model reads them."""
        ...

    def trained(self, desk: "Desk", start: Arrays, examples: Any, local: Local) -> Arrays:
        """The arrays after one round in a silo."""
        ...

    def right(self, desk: "Desk", arrays: Arrays, examples: Any) -> int:
        """How many examples are put into their class."""
        ...

    def save(self, arrays: Arrays, plan: "Plan", base_model: "Path", folder: "Path") -> None:
        """The whole model into `folder`, as the train stage leaves it."""
        ...


def of(partial: str) -> Kind:
    """The kind that trains this part; torch is loaded only for parts that need it."""
    if partial == "head":
        from tasks.federate import head_kind

        return cast("Kind", head_kind)
    from tasks.federate import body_kind

    return cast("Kind", body_kind)
