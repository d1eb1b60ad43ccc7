"""What the model and its rivals answered on the same test rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.errors import PromiseError, listed
from tasks.statistics import IntArray

Probabilities = NDArray[np.floating[Any]]
"""Rows by classes."""

FILES = {"fp32": "model.onnx", "int8": "model.int8.onnx"}
"""The forms of the model that compression leaves; int8 only when the recipe asks for it."""


@dataclass(frozen=True)
class Answers:
    """One entry per test row everywhere; a class is its number in `classes`."""

    classes: tuple[str, ...]
    truth: IntArray
    forms: Mapping[str, Probabilities]
    """Of the model's forms, by a name of FILES."""
    served: str
    """The form that is served: where nothing else is said, it is "the model"."""
    baselines: Mapping[str, IntArray]

    @property
    def probabilities(self) -> Probabilities:
        """The answers of the served form."""
        return self.forms[self.served]

    @property
    def predicted(self) -> IntArray:
        """The class that the served form finds most probable."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def confidence(self) -> Probabilities:
        """The probability of the predicted class."""
        return np.asarray(self.probabilities.max(axis=1))

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the predicted class is the true one."""
        return np.asarray(self.predicted == self.truth)

    @property
    def by_name(self) -> dict[str, IntArray]:
        """The predicted classes of `model` (the served form), each form and each baseline."""
        forms = {name: probabilities.argmax(axis=1) for name, probabilities in self.forms.items()}
        return {"model": self.predicted, **forms, **self.baselines}

    def of(self, rows: NDArray[np.bool_]) -> "Answers":
        """The same answers for some of the rows."""
        forms = {name: probabilities[rows] for name, probabilities in self.forms.items()}
        baselines = {name: predicted[rows] for name, predicted in self.baselines.items()}
        return replace(self, truth=self.truth[rows], forms=forms, baselines=baselines)


def class_numbers(labels: pd.Series, classes: tuple[str, ...]) -> IntArray:
    """The number of each label's class. Raises PromiseError that lists labels which are no class."""
    numbers = {name: number for number, name in enumerate(classes)}
    unknown = sorted({str(label) for label in labels if label not in numbers})
    if unknown:
        faults = [f"{label!r} is none of {', '.join(classes)}" for label in unknown]
        raise PromiseError(listed(faults, "labels of the split"))
    return np.array([numbers[label] for label in labels], dtype=np.int64)


def predictions(test: pd.DataFrame, answers: Answers) -> pd.DataFrame:
    """One row per test row: truth, the served model's answer with its probabilities, and everybody else's answer."""
    names = np.array(answers.classes, dtype=object)
    table = pd.DataFrame(
        {
            "record_id": test["record_id"].to_numpy(),
            "domain": test["domain"].to_numpy(),
            "label": names[answers.truth],
            "predicted": names[answers.predicted],
            "confidence": answers.confidence,
            **{f"p_{name}": answers.probabilities[:, number] for number, name in enumerate(answers.classes)},
            "fp32_predicted": names[answers.forms["fp32"].argmax(axis=1)],
            **{f"baseline_{name}": names[predicted] for name, predicted in answers.baselines.items()},
        }
    )
    texts = [column for column in table if table[column].dtype == object]
    return table.astype(dict.fromkeys(texts, "str"))
