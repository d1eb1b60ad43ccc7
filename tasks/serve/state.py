"""What the request handlers of one server share."""

from dataclasses import dataclass, field
from typing import Any, cast

from starlette.requests import Request

from tasks.recipe import Recipe
from tasks.serve.batching import Batcher
from tasks.serve.live import Live
from tasks.serve.metrics import Metrics, metrics
from tasks.serve.refusal import Refusal

UNAVAILABLE = 503


@dataclass(eq=False)
class State:
    """One server: its recipe, the model that answers now, and what carries the requests."""

    recipe: Recipe
    champion: Live | None
    batcher: Batcher
    metrics: Metrics = field(default_factory=metrics)

    @property
    def live(self) -> Live:
        """The model that answers. Raises Refusal 503 before there is one."""
        if self.champion is None:
            raise Refusal(UNAVAILABLE, "no model is loaded yet", 1)
        return self.champion


def of(request: Request) -> State:
    """The state of the server that got this request."""
    return cast("State", cast("Any", request.app).state.tidemill)
