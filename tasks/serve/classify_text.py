"""Serving a text classifier: what a record is, and how a model answers some of them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.inference import Answers, Model
from tasks.records import record_id
from tasks.texts import counts

COLUMN = "text"
"""What a record's content is called in requests."""

LONGEST = 100_000
"""Characters; the tokenizer reads them all before it cuts, and a request must not keep a thread for seconds."""

METHOD = "occlusion (Zeiler and Fergus 2014; of words: Li, Monroe and Jurafsky 2016): what the class loses without them"
MOST_PARTS = 64
"""Each part costs one pass of the model; in longer texts neighbouring words share one."""

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


def readable(content: object) -> str | None:
    """A table's content as the model takes it, or None for one that cannot be answered."""
    return content if isinstance(content, str) and content.strip() else None


def answers(model: Model, contents: Sequence[str]) -> Answers:
    """The model's answers to as many contents as a pass of it holds."""
    # A text without a single known sign may have no token at all, and a model needs one.
    return model.answers([row or [0] for row in model.encoder.rows(contents)])


def identity(content: str) -> str:
    """The record's id."""
    return record_id(content)


def parts(content: str) -> list[tuple[dict[str, Any], str]]:
    """Each part of the text as JSON values (start, end, text), with the text as it is without that part."""
    words = [match.span() for match in re.finditer(r"\S+", content)]
    size = -(-len(words) // MOST_PARTS)
    runs = [words[first : first + size] for first in range(0, len(words), size)]
    spans = [(run[0][0], run[-1][1]) for run in runs]
    return [
        ({"start": start, "end": end, "text": content[start:end]}, content[:start] + content[end:])
        for start, end in spans
    ]


def statistics(content: str) -> Mapping[str, float]:
    """What the traffic log keeps of a content beside the content."""
    return counts(content)


def schema() -> dict[str, Any]:
    """The JSON Schema of a record."""
    text = {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": r"\S"}
    return {"type": "object", "properties": {COLUMN: text}, "required": [COLUMN], "additionalProperties": False}
