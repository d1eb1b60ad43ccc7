"""Which of the recipe's thresholds a window of the traffic reached."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.recipe import Alert
from tasks.watch import tables
from tasks.watch.tables import Dataset


@dataclass(frozen=True)
class Raised:
    """An alert of the recipe, and what was counted: answers of `label` with at least `confidence`."""

    name: str
    label: str
    confidence: float
    share: float
    counted: int
    rows: int


def raised(alerts: Sequence[Alert], rows: Dataset) -> list[Raised]:
    """The alerts whose share the window reaches, in the recipe's order. `rows` has `predicted` and `confidence`."""
    total = rows.count_rows()
    counted = dict.fromkeys((alert.name for alert in alerts), 0)
    for batch in tables.batches(rows, ["predicted", "confidence"]) if alerts else ():
        predicted = batch.column("predicted").to_numpy(zero_copy_only=False)
        confidence = batch.column("confidence").to_numpy()
        for alert in alerts:
            counted[alert.name] += int(np.sum((predicted == alert.label) & (confidence >= alert.confidence)))
    return [
        Raised(alert.name, alert.label, alert.confidence, alert.share, counted[alert.name], total)
        for alert in alerts
        if counted[alert.name] and counted[alert.name] >= alert.share * total
    ]
