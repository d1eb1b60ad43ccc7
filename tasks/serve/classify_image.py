"""Serving an image classifier: what a record is, and how a model answers some of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tasks import images
from tasks.inference import Answers, Model
from tasks.records import record_id

COLUMN = "image"
"""What a record's content is called in requests: a `data:` URI."""

LONGEST = 20_000_000
"""Characters of the URI; recipe.serve.body_kb is usually met before."""

METHOD = "occlusion (Zeiler and Fergus 2014): what the class loses without them"

WARM_UP = (images.data_uri(images.png(np.full((8, 8), images.GREY, dtype=np.uint8))),)


def checked(record: Mapping[str, Any]) -> str:
    """The record's image as a `data:` URI. Raises ValueError with the reason when it is none that can be read."""
    unknown = sorted(record.keys() - {COLUMN})
    if unknown:
        raise ValueError(f"{unknown[0]!r} is unknown; a record is {{{COLUMN!r}: 'data:image/png;base64,...'}}")
    content = record.get(COLUMN)
    if not isinstance(content, str) or not content.startswith("data:"):
        raise ValueError(f"{COLUMN}: must be a data: URI, such as data:image/png;base64,...")
    if len(content) > LONGEST:
        raise ValueError(f"{COLUMN}: has {len(content)} characters; at most {LONGEST} are read")
    try:
        images.opened(_bytes(content))
    except images.ImageError as error:
        raise ValueError(f"{COLUMN}: {error}") from error
    return content


def readable(content: object) -> bytes | None:
    """A table's content (bytes or a `data:` URI) as the model takes it, or None for one that cannot be answered."""
    if not isinstance(content, str | bytes):
        return None
    try:
        images.opened(image := _bytes(content))
    except images.ImageError:
        return None
    return image


def answers(model: Model, contents: Sequence[str | bytes]) -> Answers:
    """The model's answers to as many contents as a pass of it holds."""
    return model.answers([_bytes(content) for content in contents])


def _bytes(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else images.from_data_uri(content)[0]


def identity(content: str | bytes) -> str:
    """The record's id."""
    return record_id(_bytes(content))


def parts(content: str) -> list[tuple[dict[str, Any], str]]:
    """Each place of the image as JSON values (left, top, right, bottom, in pixels), with the image grey there."""
    pixels = np.asarray(images.opened(_bytes(content)).convert("RGB"))
    return [
        (dict(zip(("left", "top", "right", "bottom"), box, strict=True)), images.data_uri(images.png(without)))
        for box, without in images.occluded(pixels)
    ]


def statistics(content: str | bytes) -> Mapping[str, float]:
    """What the traffic log keeps of a content beside the content."""
    image = images.opened(_bytes(content))
    brightness, contrast = images.light(image)
    return {"width": image.width, "height": image.height, "brightness": brightness, "contrast": contrast}


def schema() -> dict[str, Any]:
    """The JSON Schema of a record."""
    image = {"type": "string", "maxLength": LONGEST, "pattern": "^data:image/"}
    return {"type": "object", "properties": {COLUMN: image}, "required": [COLUMN], "additionalProperties": False}
