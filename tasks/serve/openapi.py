"""The interface as an OpenAPI 3.1 document, made from the recipe and the kind of its model."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tasks.serve import exchange, state
from tasks.serve.state import State

SHARE = {"type": "number", "minimum": 0, "maximum": 1}
VERSION = {"type": ["integer", "null"], "description": "of the model that answered; null: a folder, no version"}
ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
BOTH = ("400", "401", "403", "413", "422", "429", "503")


async def openapi(request: Request) -> Response:
    """The document."""
    return exchange.json(document(state.of(request)))


def document(server: State) -> dict[str, Any]:
    """What may be asked, what comes back, and how it can fail."""
    live = server.live
    record, classes = live.kind.schema(), {"type": "string", "enum": list(live.model.classes)}
    most = {"type": "array", "items": record, "minItems": 1, "maxItems": server.recipe.serve.records}
    many = {"type": "object", "properties": {"records": most}, "required": ["records"], "additionalProperties": False}
    scores = {"type": "object", "additionalProperties": SHARE}
    prediction = _object(id={"type": "string"}, probabilities=scores, confidence=SHARE) | {}
    prediction["properties"]["class"] = classes
    named = {"model": {"type": "string"}, "version": VERSION}
    part = {"type": "object", "properties": {"weight": {"type": "number"}}, "required": ["weight"]}
    explained = _object(**named, probability=SHARE, method={"type": "string"}, parts=_list(part))
    asked = {**record, "properties": {**record["properties"], "class": classes}}
    corrected = {
        "type": "object",
        "properties": {
            **record["properties"],
            "id": {"type": "string", "description": "of the answer; without it the content says what is meant"},
            "class": classes,
            "independent": {"type": "boolean", "description": "whoever says so did not see the answer"},
        },
        "required": ["class"],
        "additionalProperties": False,
    }
    accepted = _object(accepted={"type": "boolean"}, record_id={"type": ["string", "null"]})
    paths = {
        "/v1/predict": {"post": _post("Classify one record or many", {"oneOf": [record, many]}, _object(**named, predictions=_list(prediction)))},
        "/v1/explain": {"post": _post("Say which parts of a record speak for a class", asked, explained)},
        "/v1/feedback": {"post": _post("Say what the answer should have been", corrected, accepted, "202")},
        "/v1/versions": {"get": _get("The version in service and the ones before", _object(**named))},
        "/v1/recent": {"get": _get("The last answers", _object(answers=_list({"type": "object"})))},
        "/v1/trial": {"get": _get("A challenger against the champion", {"type": "object"})},
        "/healthz": {"get": _get("Whether the process lives", _object(status={"type": "string"}))},
        "/readyz": {"get": _get("Whether it can answer", _object(status={"type": "string"}))},
        "/metrics": {"get": {"summary": "Prometheus figures", "responses": {"200": _text(), **_errors()}}},
    }  # fmt: skip
    keys = {"key": {"type": "http", "scheme": "bearer"}}
    secured = {"security": [{"key": []}], "components": {"securitySchemes": keys}} if server.keys else {}
    about = {"title": server.recipe.title, "version": str(live.version or 0)}
    return {"openapi": "3.1.0", "info": about, "paths": paths, **secured}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": sorted(properties)}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _post(summary: str, asked: Any, answered: Any, status: str = "200") -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": asked}}}
    return {"summary": summary, "requestBody": body, "responses": {status: _json(summary, answered), **_errors("404")}}


def _get(summary: str, answered: Any) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": _json(summary, answered), **_errors()}}


def _json(description: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _text() -> dict[str, Any]:
    return {"description": "Prometheus text", "content": {"text/plain": {"schema": {"type": "string"}}}}


def _errors(*more: str) -> dict[str, Any]:
    return {status: _json("refused: the reason is in `error`", ERROR) for status in (*BOTH, *more)}
