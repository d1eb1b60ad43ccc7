"""The errors that teach most: the model was sure, the raters were sure, and they say different things."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.evaluate.answers import Answers

SHOWN = 30

Explained = Callable[[pd.Series, int], str]
"""From a record and the position of a class to a picture of what spoke for it, or ""."""


@dataclass(frozen=True)
class WorstError:
    """One wrong answer, with the share of the raters that each class got."""

    content: str
    """A text, or an image as a `data:` URI."""
    domain: str
    label: str
    predicted: str
    confidence: float
    shares: tuple[tuple[str, float], ...]
    attribution: str
    """The image as a `data:` URI, coloured by what spoke for the model's class; "" for texts."""


def worst_errors(
    test: pd.DataFrame, answers: Answers, shown: Callable[[pd.Series], str], explained: Explained, count: int = SHOWN
) -> list[WorstError]:
    """The wrong answers with the largest confidence minus share of raters who agree with the model, worst first.

    `shown` gives what a person sees of a record, `explained` what spoke for the model's answer.
    """
    shares = test[[f"share_{name}" for name in answers.classes]].to_numpy()
    agreeing = shares[np.arange(len(test)), answers.predicted]
    surprise = np.where(answers.right, -np.inf, answers.confidence - agreeing)
    order = np.lexsort((test["record_id"].to_numpy(), -surprise))
    return [_error(test, answers, int(row), shown, explained) for row in order[:count] if not answers.right[row]]


def _error(
    test: pd.DataFrame, answers: Answers, row: int, shown: Callable[[pd.Series], str], explained: Explained
) -> WorstError:
    record = test.iloc[row]
    return WorstError(
        content=shown(record),
        domain="" if pd.isna(record["domain"]) else str(record["domain"]),
        label=answers.classes[answers.truth[row]],
        predicted=answers.classes[answers.predicted[row]],
        confidence=float(answers.confidence[row]),
        shares=tuple((name, float(record[f"share_{name}"])) for name in answers.classes),
        attribution=explained(record, int(answers.predicted[row])),
    )
