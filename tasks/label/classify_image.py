"""What asking people about images needs: a copy that the page can show, and vectors."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks import image_model, images, model_files
from tasks.progress import progress
from tasks.recipe import Recipe

SHOWN_SIDE = 640
"""Pixels of the longer side that the page shows: a task holds its image, and thousands of tasks have to be listed."""
SHOWN_AS_IT_IS = 100_000
"""Bytes up to which an image that is small enough is sent unchanged."""

GREY_SIDE = 16
"""Pixels a side of the copies that stand for images where there is no base model."""

BATCH = 64
SMALLEST = np.finfo(np.float32).tiny
"""A length that is no zero: an even image has no direction."""


def shown(content: bytes) -> str:
    """The image as a `data:` URI: its own bytes where they are few, else a JPEG of at most 640 pixels a side."""
    image = images.opened(content)
    if max(image.size) <= SHOWN_SIDE and len(content) <= SHOWN_AS_IT_IS:
        return images.data_uri(content)
    copy, written = image.convert("RGB"), io.BytesIO()
    copy.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    copy.save(written, "JPEG", quality=85)
    return images.data_uri(written.getvalue())


def content(given: str) -> dict[str, str | bytes]:
    """The columns of a record whose image came by the endpoint as a `data:` URI."""
    found, media_type = images.from_data_uri(given)
    return {"image": found, "media_type": media_type}


def mark(recipe: Recipe, base_model: Path) -> str:
    """What the vectors depend on, as a file name."""
    if recipe.train.base_model is None:
        return f"grey-{GREY_SIDE}"
    form = recipe.train.images
    return f"{model_files.digest(base_model)[:16]}-{form.size}-{form.mode}"


def vectors(contents: Sequence[bytes], recipe: Recipe, base_model: Path) -> NDArray[np.float32]:
    """Images by width, each of length 1: the features of the base model, or small grey copies less their mean."""
    make = _grey if recipe.train.base_model is None else image_model.features(base_model, recipe.train.images)
    made: list[NDArray[np.float32]] = []
    with progress("reading images", len(contents)) as report:
        for start in range(0, len(contents), BATCH):
            made.append(make(contents[start : start + BATCH]))
            report(min(start + BATCH, len(contents)))
    found = np.concatenate(made) if made else np.zeros((0, 1), np.float32)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), SMALLEST), dtype=np.float32)


def _grey(contents: Sequence[bytes]) -> NDArray[np.float32]:
    small = images.batch(contents, GREY_SIDE, "grey").reshape(len(contents), -1).astype(np.float32)
    return np.asarray(small - small.mean(axis=1, keepdims=True), dtype=np.float32)
