"""What the page shows beside the answers: recent ones, the versions that served, the trial."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from tasks import ledger
from tasks.serve import exchange, state

SHOWN = 20


async def recent(request: Request) -> Response:
    """The last answers, newest first; their contents only where the recipe keeps full contents."""
    server = state.of(request)
    answers = [
        {
            "id": answer.prediction_id,
            "at": _time(answer.at),
            "version": answer.version,
            "arm": answer.arm,
            server.live.kind.COLUMN: answer.content,
            "class": answer.predicted,
            "confidence": answer.confidence,
            "corrected": answer.corrected,
        }
        for answer in server.recent.last(SHOWN)
    ]
    return exchange.json({"answers": answers})


async def versions(request: Request) -> Response:
    """The model in service, its classes, and what the ledger says of earlier ones, newest first."""
    server = state.of(request)
    live = server.live
    entries = ledger.entries(server.home, server.recipe.name) if server.home else []
    told = [{"at": e.at, "kind": e.kind, "version": e.version, "reason": _reason(e)} for e in reversed(entries)]
    now = {
        "model": server.recipe.name,
        "title": server.recipe.title,
        "version": live.version,
        "column": live.kind.COLUMN,
    }
    return exchange.json({**now, "classes": list(live.model.classes), "history": told[:SHOWN]})


async def trial(request: Request) -> Response:
    """How the challenger does against the champion; `trial` is null while nobody is tried."""
    contest = state.of(request).contest
    return exchange.json({"trial": contest.told() if contest else None})


def _reason(entry: ledger.Entry) -> str:
    return str(entry.evidence.get("reason") or entry.evidence.get("decision") or "")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
