"""What evaluation says of images in particular."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks import images
from tasks.errors import PromiseError
from tasks.inference import Model
from tasks.recipe import Recipe
from tasks.statistics import FloatArray, IntArray

if TYPE_CHECKING:
    from PIL import Image

NOUN = "image"
"""What a record is called in the report."""

BASELINES = ("majority", "pixels")
"""Where the recipe names none."""

SHOWN_SIDE = 96
"""Pixels a side of the pictures in the report; smaller images are shown as they are."""

ASKED_SIDE = 448
"""Pixels a side of the copies that are asked about: twice what common vision models take."""

FOR, AGAINST = (230, 120, 0), (0, 90, 200)
"""Colours (RGB) of the places that spoke for the model's class, and against it."""
MOST_TINT = 0.65
LEAST_WEIGHT = 0.01
"""Smaller weights than this are noise, and are not stretched."""

COPY_SIDE = 8
"""Pixels a side of what the baseline sees."""

STATISTICS = ("width", "height", "brightness", "contrast")


def methods(
    train: pd.DataFrame, numbers: IntArray, contents: Sequence[bytes], recipe: Recipe
) -> dict[str, Callable[[], IntArray]]:
    """What predicts the classes of `contents` without our model, by its name; `numbers`: the training rows' classes."""
    return {"pixels": lambda: pixels(train["image"].tolist(), numbers, contents, recipe)}


def pixels(known: Sequence[bytes], truth: IntArray, contents: Sequence[bytes], recipe: Recipe) -> IntArray:
    """Multinomial logistic regression on the values of 8 x 8 pixels. Raises PromiseError when it cannot learn."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    with threadpool_limits(recipe.threads):
        try:
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200, tol=1e-3))
            model.fit(_flat(known), truth)
        except ValueError as error:
            reason = f"split/train.parquet: logistic regression cannot learn from {len(known)} rows ({error})"
            raise PromiseError(f"{reason}; add records, or take pixels out of evaluate.baselines") from error
        return np.asarray(model.predict(_flat(contents)), dtype=np.int64)


def _flat(contents: Sequence[bytes]) -> FloatArray:
    """The values of small copies in colour, between 0 and 1, rows by values."""
    small = images.batch(contents, COPY_SIDE, "rgb")
    return small.reshape(len(small), -1).astype(np.float64) / 255


def statistics(test: pd.DataFrame) -> pd.DataFrame:
    """What later traffic is compared by: size in pixels, brightness and contrast."""
    return test[list(STATISTICS)].reset_index(drop=True)


def attribution(content: bytes, place: int, model: Model) -> str:
    """The image as a `data:` URI, orange where it spoke for the class at `place`, blue where it spoke against it.

    A place's weight is the probability that the class loses without it (occlusion: Zeiler and Fergus 2014); the
    strongest colour is the largest weight of this image.
    """
    from PIL import Image

    pixels = _at_most(images.opened(content).convert("RGB"), ASKED_SIDE)
    boxes = images.occluded(pixels)
    asked = [images.png(pixels), *(images.png(without) for _, without in boxes)]
    found = model.probabilities(asked)[:, place].astype(np.float64)
    weights = found[0] - found[1:]
    largest = max(float(np.abs(weights).max()), LEAST_WEIGHT)
    tinted = pixels.astype(np.float64)
    for ((left, top, right, bottom), _), weight in zip(boxes, weights, strict=True):
        strength = MOST_TINT * abs(weight) / largest
        colour = np.array(FOR if weight > 0 else AGAINST)
        tinted[top:bottom, left:right] = (1 - strength) * tinted[top:bottom, left:right] + strength * colour
    return _picture(Image.fromarray(tinted.round().astype(np.uint8)))


def shown(record: pd.Series) -> str:
    """The record's image as a `data:` URI of a PNG, at most 96 pixels a side."""
    return _picture(images.opened(record["image"]).convert("RGB"))


def _picture(image: "Image.Image") -> str:
    return images.data_uri(images.png(_at_most(image, SHOWN_SIDE)))


def _at_most(image: "Image.Image", side: int) -> images.Pixels:
    image.thumbnail((side, side))
    return np.asarray(image)
