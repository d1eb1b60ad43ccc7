"""What evaluation says of texts in particular."""

from collections.abc import Callable, Sequence

import pandas as pd

from tasks.evaluate.baselines import tfidf, vader
from tasks.evaluate.reference import text_statistics
from tasks.inference import Model
from tasks.recipe import Recipe
from tasks.statistics import IntArray

NOUN = "text"
"""What a record is called in the report."""

BASELINES = ("majority", "tfidf")
"""Where the recipe names none."""

LONGEST = 320
"""Characters of a text that are shown."""


def methods(
    train: pd.DataFrame, numbers: IntArray, contents: Sequence[str], recipe: Recipe
) -> dict[str, Callable[[], IntArray]]:
    """What predicts the classes of `contents` without our model, by its name; `numbers`: the training rows' classes."""
    return {
        "tfidf": lambda: tfidf(train["text"].tolist(), numbers, contents, recipe.threads),
        "vader": lambda: vader(contents, recipe.labels.classes),
    }


def statistics(test: pd.DataFrame) -> pd.DataFrame:
    """What later traffic is compared by: characters, words, share of other characters than letters."""
    return text_statistics(test["text"].tolist())


def attribution(_content: str, _place: int, _model: Model) -> str:
    """Nothing: the words of a text are explained on the endpoint's page, one text at a time."""
    return ""


def shown(record: pd.Series) -> str:
    """The record's text, or its beginning with an ellipsis."""
    return shortened(str(record["text"]))


def shortened(text: str) -> str:
    """The text, or its beginning with an ellipsis."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"
