"""Whether the running endpoint answers as the model was evaluated, and which step broke when it does not."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tasks import inference, registered, storage, tracking
from tasks.check import Check
from tasks.errors import ServerError
from tasks.recipe import Recipe
from tasks.records import CONTENT_COLUMN
from tasks.release.broken import Broken
from tasks.release.closeness import Closeness
from tasks.release.diagnosis import FP32
from tasks.release.endpoint import asked, running, unreadable
from tasks.release.probes import FILE


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
    column, kind = CONTENT_COLUMN[recipe.kind], importlib.import_module(f"tasks.release.{recipe.kind}")
    try:
        with running(recipe, folder) as address:
            predictions = asked(address, column, probes[column].tolist())
            answered = _read(kind, predictions, recipe)
    except ServerError as error:
        return Report(False, len(probes), 1.0, 0.0, "endpoint", str(error))
    close: Closeness = kind.compared(kind.expected(probes, recipe), answered, recipe.gate.parity)
    return _report(len(probes), close, None if close.passed else kind.diagnosed(recipe, folder, probes, answered))


def _read(kind: ModuleType, predictions: Sequence[Mapping[str, Any]], recipe: Recipe) -> Any:
    """The endpoint's answers as the kind has them. Raises ServerError when they are no answers."""
    try:
        return kind.answered(predictions, recipe)
    except (KeyError, ValueError, TypeError) as error:
        raise unreadable(error) from error


def check(recipe: Recipe, version: tracking.Version) -> Check:
    """Whether the version, as the registry holds it, answers over HTTP as it was evaluated. Raises ServerError."""
    wanted = (FP32, *inference.ENGINE_FILES[recipe.serve.engine])
    with storage.scratch() as place:
        found = parity(recipe, registered.fetched(version, recipe.name, place, wanted))
    return Check("parity", found.passed, found.reason, found.figures())


def _report(probes: int, close: Closeness, broken: Broken | None) -> Report:
    measured = f"{probes} probes through the endpoint: {close.words}"
    reason = measured if broken is None else f"{broken.step}: {broken.words}; {measured}"
    step = broken.step if broken else None
    return Report(broken is None, probes, close.largest_difference, close.equal, step, reason)
