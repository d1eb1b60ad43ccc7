"""The champion as the registry holds it, brought here to answer."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tasks import inference, registered, storage, tracking
from tasks.registered import SEEN

TESTED = "predictions.parquet"


@dataclass(frozen=True)
class Rival:
    """A registered version: its served model, that file's bytes, what it learned from and what it was tested on."""

    number: int
    model: inference.Model
    size: int
    seen: pd.DataFrame | None
    """None: the version does not say."""
    tested: pd.DataFrame


def fetched(version: tracking.Version, name: str, folder: Path, threads: int) -> Rival:
    """Version `version` of model `name`, its files in `folder`. Raises ServerError, or TidemillError for a broken file."""
    place = registered.fetched(version, name, folder, (SEEN, TESTED))
    served = registered.served_file(place)
    seen = storage.read_table(place / SEEN) if (place / SEEN).is_file() else None
    tested = storage.read_table(place / TESTED, ["record_id"])
    model = inference.load(place, served, threads)
    return Rival(version.number, model, (place / served).stat().st_size, seen, tested)
