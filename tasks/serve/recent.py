"""The last answers, in memory: for the page, and to know what a correction is about."""

import itertools
from collections import OrderedDict
from dataclasses import dataclass, field

MOST = 5000
LONGEST = 2000
"""Characters of a content that are kept here; the memory of a server is bounded."""


@dataclass(eq=False)
class Answer:
    """One answer that was given."""

    at: float
    prediction_id: str
    version: int | None
    arm: str
    content: str | None
    predicted: str
    confidence: float
    corrected: str | None = None
    shadow: str | None = None
    """What the challenger said to the same content, unseen."""


@dataclass(eq=False)
class Recent:
    """The last answers by prediction id."""

    _answers: "OrderedDict[str, Answer]" = field(default_factory=OrderedDict)

    def add(self, answer: Answer) -> None:
        """Remember an answer; the oldest goes."""
        self._answers[answer.prediction_id] = answer
        if len(self._answers) > MOST:
            self._answers.popitem(last=False)

    def get(self, prediction_id: str) -> Answer | None:
        """The answer with that id, if it is still known."""
        return self._answers.get(prediction_id)

    def last(self, count: int) -> list[Answer]:
        """The newest first."""
        return list(itertools.islice(reversed(self._answers.values()), count))
