"""What simple methods answer on the same rows: the least that a model must beat."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tasks.errors import PromiseError, RecipeError
from tasks.evaluate.answers import class_numbers
from tasks.recipe import Recipe
from tasks.statistics import IntArray

VADER_CLASSES = ("negative", "neutral", "positive")
VADER_THRESHOLD = 0.05
"""The authors': compound at or above it is positive, at or below its negative is negative (vaderSentiment's README)."""


def baselines(train: pd.DataFrame, contents: Sequence[Any], recipe: Recipe) -> dict[str, IntArray]:
    """The classes that each baseline of the recipe predicts for `contents`, by its name.

    Raises RecipeError when one does not fit the recipe's kind or classes, PromiseError when one cannot learn from
    `train`.
    """
    kind = importlib.import_module(f"tasks.evaluate.{recipe.kind}")
    wanted = kind.BASELINES if recipe.evaluate.baselines is None else recipe.evaluate.baselines
    numbers = class_numbers(train["label"], recipe.labels.classes)
    if not len(numbers):
        raise PromiseError(
            "split/train.parquet: has no rows for the baselines; widen the sources or the split's shares"
        )
    answers: dict[str, Callable[[], IntArray]] = {
        "majority": lambda: majority(numbers, len(contents)),
        **kind.methods(train, numbers, contents, recipe),
    }
    if unfit := [name for name in wanted if name not in answers]:
        known = ", ".join(answers)
        raise RecipeError(f"evaluate.baselines: {unfit[0]} is none for {recipe.kind}; known are: {known}")
    return {name: answers[name]() for name in wanted}


def majority(truth: IntArray, rows: int) -> IntArray:
    """The most frequent class of the training rows, for every row (of equals the first)."""
    return np.full(rows, np.bincount(truth).argmax(), dtype=np.int64)


def tfidf(train_texts: Sequence[str], truth: IntArray, texts: Sequence[str], threads: int) -> IntArray:
    """Multinomial logistic regression on TF-IDF of single words and pairs that occur in two texts or more."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    with threadpool_limits(threads):
        try:
            model = LogisticRegression(max_iter=1000).fit(vectorizer.fit_transform(train_texts), truth)
        except ValueError as error:
            reason = f"split/train.parquet: TF-IDF cannot learn from {len(train_texts)} rows ({error})"
            raise PromiseError(f"{reason}; add records, or take tfidf out of evaluate.baselines") from error
        return np.asarray(model.predict(vectorizer.transform(texts)), dtype=np.int64)


def vader(texts: Sequence[str], classes: tuple[str, ...]) -> IntArray:
    """VADER's classes by its compound score and published thresholds (Hutto and Gilbert 2014).

    Raises RecipeError when the classes are not negative, neutral and positive.
    """
    if set(classes) != set(VADER_CLASSES):
        raise RecipeError(
            f"evaluate.baselines: vader answers {', '.join(VADER_CLASSES)}, but labels.classes are "
            f"{', '.join(classes)}; take vader out of the list"
        )
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    compound = np.array([analyzer.polarity_scores(text)["compound"] for text in texts])
    position = 1 + (compound >= VADER_THRESHOLD).astype(np.int64) - (compound <= -VADER_THRESHOLD)
    return np.array([classes.index(name) for name in VADER_CLASSES], dtype=np.int64)[position]
