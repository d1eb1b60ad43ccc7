"""How fast the recipe's training runs here with other threads and micro-batches: a few steps of each, kept on disk.

Nothing of it is applied by itself. Threads and micro-batches change the order of sums, and with it the last bits of the
weights: what `tidemill rebuild` has to repeat stands in the recipe, where a person has put it.
"""

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from tasks import storage
from tasks.errors import TidemillError
from tasks.hardware import hardware
from tasks.paths import Paths
from tasks.progress import progress
from tasks.recipe import Recipe
from tasks.train.trial import trained

STEPS, ROUNDS = 3, 2
LONGEST_S = 60.0
"""After so long no further round begins: a crowded machine tells little, and slowly."""
PARTS = (1, 2, 4)
"""Into how many micro-batches a batch is cut."""


@dataclass(frozen=True)
class Way:
    """One way to train: CPU threads, rows at once, and rows a second in the better of two rounds."""

    threads: int
    micro_batch: int
    rows_a_second: float


def probe(recipe: Recipe, paths: Paths, again: bool = False) -> list[Way]:
    """Every way, the fastest first; from the last time unless `again`. Raises TidemillError before the first split."""
    file = _file(recipe, paths)
    if file.is_file() and not again:
        return _read(file)
    table = paths.stage("split") / "train.parquet"
    if not table.is_file():
        raise TidemillError(f"{table}: is missing; make it with: dvc repro split@{recipe.name}")
    rows = storage.read_table(table).head(STEPS * recipe.train.batch_size)
    wanted = [(threads, size) for threads in _threads(recipe) for size in _sizes(recipe)]
    best: dict[tuple[int, int], float] = {}
    started, order = time.monotonic(), wanted * ROUNDS
    with progress("probing", len(order)) as report:
        for number, way in enumerate(order):
            if way in best and time.monotonic() - started > LONGEST_S:
                break
            best[way] = max(best.get(way, 0.0), _speed(recipe, paths, rows, *way))
            report(number + 1)
    found = sorted((Way(*way, round(speed, 1)) for way, speed in best.items()), key=lambda way: -way.rows_a_second)
    storage.write_json(file, [asdict(way) for way in found])
    return found


def _speed(recipe: Recipe, paths: Paths, rows: pd.DataFrame, threads: int, size: int) -> float:
    knobs = {"epochs": 1.0, "validations_per_epoch": 1, "micro_batch": size}
    said = recipe.model_copy(update={"threads": threads, "train": recipe.train.model_copy(update=knobs)})
    _, seconds = trained(said, paths.base_model, rows, rows.head(0))
    return len(rows) / seconds


def _threads(recipe: Recipe) -> list[int]:
    """1, 2, 4 … up to the cores, and what the recipe says."""
    cores = os.cpu_count() or 1
    return sorted({recipe.threads, cores, *(2**power for power in range(cores.bit_length()))})


def _sizes(recipe: Recipe) -> list[int]:
    batch = recipe.train.batch_size
    return sorted({recipe.train.micro_batch or batch, *(max(1, batch // parts) for parts in PARTS)}, reverse=True)


def _file(recipe: Recipe, paths: Paths) -> Path:
    """By what the speed depends on: the machine, the kind, and the knobs of training."""
    said = json.dumps([recipe.kind, recipe.train.model_dump(mode="json"), hardware()], sort_keys=True)
    return paths.probes / f"{hashlib.sha256(said.encode()).hexdigest()[:16]}.json"


def _read(file: Path) -> list[Way]:
    return [Way(**way) for way in storage.read_json(file)]
