"""The step that makes an endpoint answer otherwise than its model was evaluated."""

from dataclasses import dataclass
from typing import Literal

Step = Literal[
    "endpoint",
    "tokeniser",
    "pixels",
    "truncation",
    "lower-casing",
    "label order",
    "quantisation",
    "scale",
    "precision",
    "model",
]


@dataclass(frozen=True)
class Broken:
    """Which step, and what was seen, in words."""

    step: Step
    words: str
