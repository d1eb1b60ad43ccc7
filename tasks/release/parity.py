"""Whether the running endpoint answers as the model was evaluated, and which step broke when it does not."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks import inference, registered, storage, tracking
from tasks.check import Check
from tasks.errors import ServerError
from tasks.recipe import Parity, Recipe
from tasks.records import CONTENT_COLUMN
from tasks.release.broken import Broken
from tasks.release.diagnosis import FP32, diagnosed
from tasks.release.endpoint import asked, running
from tasks.release.probes import FILE, probability_columns

Probabilities = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Report:
    """How closely the endpoint answered `probes` records, and the step that broke when it did not pass."""

    passed: bool
    probes: int
    largest_difference: float
    """Of one probability; 1 when there was no answer."""
    equal_classes: float
    """Share of the probes."""
    step: str | None
    reason: str

    def figures(self) -> dict[str, Any]:
        """The report as JSON values, for the ledger."""
        return asdict(self)


def parity(recipe: Recipe, folder: Path) -> Report:
    """The report on the version whose artifacts, probes.parquet among them, lie in `folder`.

    Raises TidemillError when there are no probes: a version that was released without them cannot be judged.
    """
    probes = storage.read_table(folder / FILE)
    column = CONTENT_COLUMN[recipe.kind]
    expected = probes[probability_columns(recipe)].to_numpy()
    try:
        with running(recipe, folder) as address:
            answered = asked(address, column, probes[column].tolist(), recipe.labels.classes)
    except ServerError as error:
        return Report(False, len(probes), 1.0, 0.0, "endpoint", str(error))
    broken = None if within(expected, answered, recipe.gate.parity) else diagnosed(recipe, folder, probes, answered)
    return _report(expected, answered, broken, recipe.gate.parity)


def check(recipe: Recipe, version: tracking.Version) -> Check:
    """Whether the version, as the registry holds it, answers over HTTP as it was evaluated. Raises ServerError."""
    wanted = (FP32, *inference.ENGINE_FILES[recipe.serve.engine])
    with storage.scratch() as place:
        found = parity(recipe, registered.fetched(version, recipe.name, place, wanted))
    return Check("parity", found.passed, found.reason, found.figures())


def within(expected: Probabilities, answered: Probabilities, budget: Parity) -> bool:
    """Whether two tables of probabilities (rows by classes) are as close as the budget asks."""
    largest, equal = closeness(expected, answered)
    return largest <= budget.largest_difference and equal >= budget.equal_classes


def closeness(expected: Probabilities, answered: Probabilities) -> tuple[float, float]:
    """The largest difference of one probability, and the share of rows with the same most probable class."""
    return float(np.abs(expected - answered).max()), float((expected.argmax(1) == answered.argmax(1)).mean())


def _report(expected: Probabilities, answered: Probabilities, broken: Broken | None, budget: Parity) -> Report:
    largest, equal = closeness(expected, answered)
    measured = (
        f"{len(expected)} probes through the endpoint: largest difference {largest:.4f} "
        f"(allowed {budget.largest_difference:g}), the same class in {equal:.1%} (wanted {budget.equal_classes:.1%})"
    )
    reason = measured if broken is None else f"{broken.step}: {broken.words}; {measured}"
    return Report(broken is None, len(expected), largest, equal, broken.step if broken else None, reason)
