"""What the request handlers of one server share."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from starlette.requests import Request

from tasks.recipe import Recipe
from tasks.serve.batching import Batcher
from tasks.serve.contest import Contest
from tasks.serve.keys import Keys
from tasks.serve.live import Live
from tasks.serve.metrics import Metrics, metrics
from tasks.serve.rates import Rates
from tasks.serve.recent import Recent
from tasks.serve.refusal import Refusal
from tasks.serve.traffic import Log

if TYPE_CHECKING:
    import asyncio

UNAVAILABLE = 503


@dataclass(eq=False)
class State:
    """One server: its recipe, the models that answer now, and what carries and remembers the requests."""

    recipe: Recipe
    batcher: Batcher
    rates: Rates
    hosts: tuple[str, ...]
    """The names under which browsers may reach it; empty: any."""
    metrics: Metrics = field(default_factory=metrics)
    recent: Recent = field(default_factory=Recent)
    champion: Live | None = None
    challenger: Live | None = None
    contest: Contest | None = None
    keys: Keys | None = None
    traffic: Log | None = None
    home: Path | None = None
    copies: "set[asyncio.Task[None]]" = field(default_factory=set)
    """Shadow requests on their way: the event loop itself holds tasks only weakly."""

    @property
    def live(self) -> Live:
        """The champion. Raises Refusal 503 before there is one."""
        if self.champion is None:
            raise Refusal(UNAVAILABLE, "no model is loaded yet", 1)
        return self.champion

    def chosen(self) -> tuple[Live, str]:
        """The model that answers the next request, and its arm."""
        contest, challenger = self.contest, self.challenger
        canary = contest is not None and self.recipe.serve.trial.mode == "canary"
        if canary and challenger is not None and contest is not None and contest.drawn():
            return challenger, "challenger"
        return self.live, "champion"

    def shadowed(self) -> Live | None:
        """The challenger that gets a copy of the next request, if one does; none while records wait."""
        contest, idle = self.contest, not self.batcher.waiting
        shadow = contest is not None and self.recipe.serve.trial.mode == "shadow" and idle
        return self.challenger if shadow and contest is not None and contest.drawn() else None


def of(request: Request) -> State:
    """The state of the server that got this request."""
    return cast("State", cast("Any", request.app).state.tidemill)
