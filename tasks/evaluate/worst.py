"""The errors that teach most: the model was sure, the raters were sure, and they say different things."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.evaluate.answers import Answers

SHOWN = 30
LONGEST = 320
"""Characters of a text that are shown."""


@dataclass(frozen=True)
class WorstError:
    """One wrong answer, with the share of the raters that each class got."""

    text: str
    domain: str
    label: str
    predicted: str
    confidence: float
    shares: tuple[tuple[str, float], ...]


def worst_errors(test: pd.DataFrame, answers: Answers, count: int = SHOWN) -> list[WorstError]:
    """The wrong answers with the largest confidence minus share of raters who agree with the model, worst first."""
    shares = test[[f"share_{name}" for name in answers.classes]].to_numpy()
    agreeing = shares[np.arange(len(test)), answers.predicted]
    surprise = np.where(answers.right, -np.inf, answers.confidence - agreeing)
    order = np.lexsort((test["record_id"].to_numpy(), -surprise))
    return [_error(test, answers, int(row)) for row in order[:count] if not answers.right[row]]


def _error(test: pd.DataFrame, answers: Answers, row: int) -> WorstError:
    record = test.iloc[row]
    return WorstError(
        text=shortened(str(record["text"])),
        domain="" if pd.isna(record["domain"]) else str(record["domain"]),
        label=answers.classes[answers.truth[row]],
        predicted=answers.classes[answers.predicted[row]],
        confidence=float(answers.confidence[row]),
        shares=tuple((name, float(record[f"share_{name}"])) for name in answers.classes),
    )


def shortened(text: str) -> str:
    """The text, or its beginning with an ellipsis."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"
