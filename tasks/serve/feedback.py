"""POST /v1/feedback: what the answer should have been. It joins the label queue, and judges a trial.

The queue is one file of JSON lines, `<home>/feedback/<recipe>.jsonl`, which `tidemill labels pull` takes in; what a
person corrects, they hand over with its text.
"""

import asyncio
import json
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tasks import storage
from tasks.paths import corrections
from tasks.recipe import Ratings
from tasks.serve import bodies, exchange, state
from tasks.serve.recent import Answer
from tasks.serve.refusal import Refusal

ACCEPTED, UNKNOWN = 202, 404
KEYS = ("id", "class", "independent")


async def feedback(request: Request) -> Response:
    """202 once the correction is on disk. `independent: true` says that its author did not see the answer."""
    server = state.of(request)
    value = bodies.parsed(await exchange.body(request))
    caller = exchange.caller(request)
    server.rates.charge(caller, 1)
    answer, label = _about(server, value), _label(server, value)
    content = answer.content if answer else None
    if given := {key: value[key] for key in value if key not in KEYS}:
        content = bodies.content(given, server.live.kind.checked)
    if content is None:
        raise Refusal(bodies.UNFIT, f"{server.live.kind.COLUMN}: must come with the correction; it was not kept")
    row = correction(answer, server.live.kind.identity(content), label, request.state.owner)
    if (ratings := server.recipe.labels.ratings) is not None:
        row["rating"] = middle(ratings, server.recipe.labels.classes.index(label))
    if server.home is None:
        raise Refusal(UNKNOWN, "this server keeps no corrections: it serves a folder, not a recipe's champion")
    await asyncio.to_thread(
        append, corrections(server.home, server.recipe.name), {server.live.kind.COLUMN: content, **row}
    )
    if answer is not None and answer.corrected is None:
        answer.corrected = label
        if server.contest is not None:
            await asyncio.to_thread(server.contest.judge, answer, label, independent=value.get("independent") is True)
    return exchange.json({"accepted": True, "record_id": row["record_id"]}, ACCEPTED)


def correction(answer: Answer | None, identity: str, label: str, owner: str | None) -> dict[str, Any]:
    """One line of the queue beside the content: a label row, and the answer that it is about."""
    return {
        "record_id": identity,
        "annotator": owner or "user",
        "label": label,
        "labelled_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "seconds": round(time.time() - answer.at, 1) if answer else None,
        "prediction_id": answer.prediction_id if answer else None,
        "version": answer.version if answer else None,
        "predicted": answer.predicted if answer else None,
    }


def middle(ratings: Ratings, place: int) -> float:
    """The rating in the middle of a class, for recipes whose labels are numbers."""
    edges = (ratings.low, *ratings.cuts, ratings.high)
    return (edges[place] + edges[place + 1]) / 2


def append(path: Path, row: Mapping[str, Any]) -> None:
    """One more line, durably on disk. Raises TidemillError when the disk is full.

    A line that an earlier fault cut off is ended first, so that it costs no other.
    """
    with storage.disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as output:
            end = output.seek(0, os.SEEK_END)
            output.seek(max(0, end - 1))
            torn = b"\n" if output.read(1) not in (b"", b"\n") else b""
            output.write(torn + json.dumps(row, ensure_ascii=False).encode() + b"\n")
            output.flush()
            os.fsync(output.fileno())


def _about(server: state.State, value: Mapping[str, Any]) -> Answer | None:
    """The answer that is corrected. Raises Refusal 404 when it is forgotten and no content says what it was about."""
    name = value.get("id")
    answer = server.recent.get(name) if isinstance(name, str) else None
    if answer is None and not value.keys() - set(KEYS):
        raise Refusal(UNKNOWN, f"id: {name!r} is no answer of the last ones; send the content with it")
    return answer


def _label(server: state.State, value: Mapping[str, Any]) -> str:
    classes, label = server.live.model.classes, value.get("class")
    if label not in classes:
        raise Refusal(bodies.UNFIT, f"class: {label!r} is none of {', '.join(classes)}")
    return str(label)
