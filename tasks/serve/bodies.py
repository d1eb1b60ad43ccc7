"""Request bodies as checked values. Whatever bytes come, the answer is a value or a Refusal."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from tasks.serve.refusal import Refusal

BAD, TOO_LARGE, UNFIT = 400, 413, 422


def parsed(body: bytes) -> Mapping[str, Any]:
    """The JSON object in the body. Raises Refusal 400."""
    try:
        # Unlike the standard library's, this parser refuses half surrogates, NaN and endless nesting.
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(BAD, f"the body is no JSON in UTF-8: {error}") from error
    if not isinstance(value, dict):
        raise Refusal(UNFIT, f"the body is a JSON {_kind(value)}; it must be an object")
    return value


def contents(body: bytes, checked: Callable[[Mapping[str, Any]], Any], most: int) -> list[Any]:
    """The content of each record: one record as the object itself, or many under `records`.

    `checked` makes a content of a record or raises ValueError with the reason. Raises Refusal 400, 413 or 422.
    """
    value = parsed(body)
    records = value.get("records", [value])
    if not isinstance(records, list) or not records:
        raise Refusal(UNFIT, "records: must be a list with at least one record")
    if "records" in value and len(value) > 1:
        raise Refusal(UNFIT, f"beside records there is {min(value.keys() - {'records'})!r}, which is unknown")
    if len(records) > most:
        raise Refusal(
            TOO_LARGE, f"records: {len(records)} in one request; send at most {most}, or use tidemill predict"
        )
    return [content(record, checked, f"records[{place}]: ") for place, record in enumerate(records)]


def content(record: Any, checked: Callable[[Mapping[str, Any]], Any], where: str = "") -> Any:
    """The content of one record. Raises Refusal 422 that begins with `where`."""
    if not isinstance(record, dict):
        raise Refusal(UNFIT, f"{where}is a JSON {_kind(record)}; it must be an object")
    try:
        return checked(record)
    except ValueError as error:
        raise Refusal(UNFIT, f"{where}{error}") from error


def _kind(value: Any) -> str:
    names = {"str": "string", "list": "list", "bool": "boolean", "NoneType": "null", "dict": "object"}
    return names.get(type(value).__name__, "number")
