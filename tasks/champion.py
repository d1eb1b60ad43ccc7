"""The champion of a recipe at work: its own files from the registry, loaded."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from tasks import inference, registered, tracking


@dataclass(frozen=True)
class Champion:
    """A registered version, and its served model."""

    version: tracking.Version
    model: inference.Model


def champion(recipe: str, threads: int) -> Champion | None:
    """The champion, or None when nothing was released (or there is no registry). Raises ServerError."""
    version = tracking.champion(recipe) if tracking.uri() is not None else None
    if version is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        place = registered.fetched(version, recipe, Path(folder))
        return Champion(version, inference.load(place, registered.served_file(place), threads))
