"""What evaluation says of images in particular."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from tasks import images
from tasks.errors import PromiseError
from tasks.recipe import Recipe
from tasks.statistics import FloatArray, IntArray

NOUN = "image"
"""What a record is called in the report."""

BASELINES = ("majority", "pixels")
"""Where the recipe names none."""

SHOWN_SIDE = 96
"""Pixels a side of the pictures in the report; smaller images are shown as they are."""

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


def shown(record: pd.Series) -> str:
    """The record's image as a `data:` URI of a PNG, at most 96 pixels a side."""
    image = images.opened(record["image"]).convert("RGB")
    image.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    return images.data_uri(images.png(np.asarray(image)))
