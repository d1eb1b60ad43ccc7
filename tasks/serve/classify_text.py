"""Serving a text classifier: what a record is, and how a model answers some of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks import tokens
from tasks.inference import Answers, Model
from tasks.texts import counts

COLUMN = "text"
"""What a record's content is called in requests."""

LONGEST = 100_000
"""Characters; the tokenizer reads them all before it cuts, and a request must not keep a thread for seconds."""

WARM_UP = ("Good.", "The screen is bright, but the battery did not last through the day. " * 12)
"""A short content and a long one: after both, the session has claimed its memory."""


def checked(record: Mapping[str, Any]) -> str:
    """The record's text. Raises ValueError with the reason when there is none, or anything beside it."""
    unknown = sorted(record.keys() - {COLUMN})
    if unknown:
        raise ValueError(f"{unknown[0]!r} is unknown; a record is {{{COLUMN!r}: ...}}")
    text = record.get(COLUMN)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{COLUMN}: must be a text that is not empty")
    if len(text) > LONGEST:
        raise ValueError(f"{COLUMN}: has {len(text)} characters; at most {LONGEST} are read")
    return text


def answers(model: Model, contents: Sequence[str]) -> Answers:
    """The model's answers to as many contents as a pass of it holds."""
    return model.answers(tokens.encoded(model.tokenizer, contents))


def statistics(content: str) -> Mapping[str, float]:
    """What the traffic log keeps of a content beside the content."""
    return counts(content)


def schema() -> dict[str, Any]:
    """The JSON Schema of a record."""
    text = {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": r"\S"}
    return {"type": "object", "properties": {COLUMN: text}, "required": [COLUMN], "additionalProperties": False}
