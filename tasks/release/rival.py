"""The champion as the registry holds it, brought here to answer."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tasks import inference, storage, tracking
from tasks.release.registered import model_folder, served_file
from tasks.release.rows import SEEN


@dataclass(frozen=True)
class Rival:
    """A registered version: its served model, that file's bytes, what it learned from and what it was tested on."""

    number: int
    model: inference.Model
    size: int
    seen: pd.DataFrame | None
    """None: the version does not say."""
    tested: pd.DataFrame


def fetched(version: tracking.Version, folder: Path, threads: int) -> Rival:
    """The version's files in `folder`, and its model loaded. Raises ServerError, or TidemillError for a broken file."""
    model_files = model_folder(version, folder)
    served = served_file(model_files)
    model = inference.load(model_files, served, threads)
    known = tracking.has(version, SEEN)
    seen = storage.read_table(tracking.download(version, SEEN, folder)) if known else None
    tested = storage.read_table(tracking.download(version, "predictions.parquet", folder), ["record_id"])
    return Rival(version.number, model, (model_files / served).stat().st_size, seen, tested)
