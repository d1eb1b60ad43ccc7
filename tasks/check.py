"""One line of a verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Check:
    """What was asked of a version, whether it holds, why in a sentence, and the figures behind it (as JSON holds them)."""

    name: str
    passed: bool
    reason: str
    figures: Mapping[str, Any] = field(default_factory=dict)
