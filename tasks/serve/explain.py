"""POST /v1/explain: how much each part of one content speaks for a class."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tasks.serve import bodies, exchange, state
from tasks.serve.refusal import Refusal


async def explain(request: Request) -> Response:
    """The parts of the content with their weights: the probability that the class loses when a part is taken out.

    `class` beside the record asks about that class instead of the most probable one.
    """
    server = state.of(request)
    server.batcher.require_room()
    value = dict(bodies.parsed(await exchange.body(request)))
    live = server.live
    wanted = value.pop("class", None)
    content = bodies.content(value, live.kind.checked)
    parts = live.kind.parts(content)
    server.rates.charge(exchange.caller(request), 1 + len(parts))
    asked = await server.batcher.answered(live, [content, *(without for _, without in parts)])
    whole, classes = asked.probabilities[0], live.model.classes
    chosen = str(wanted) if wanted is not None else classes[int(whole.argmax())]
    if chosen not in classes:
        raise Refusal(bodies.UNFIT, f"class: {chosen!r} is none of {', '.join(classes)}")
    place = classes.index(chosen)
    weights: list[dict[str, Any]] = [
        {**part, "weight": float(whole[place] - row[place])}
        for (part, _), row in zip(parts, asked.probabilities[1:], strict=True)
    ]
    found = {"class": chosen, "probability": float(whole[place]), "method": live.kind.METHOD, "parts": weights}
    return exchange.json({"model": server.recipe.name, "version": live.version, **found})
