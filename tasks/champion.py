"""The champion of a recipe at work: its own files from the registry, loaded."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from tasks import inference, storage, tracking


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
        return Champion(version, served_model(version, Path(folder), threads))


def served_model(version: tracking.Version, folder: Path, threads: int) -> inference.Model:
    """A registered version's served model, fetched into `folder`."""
    description_file = tracking.download(version, inference.DESCRIPTION, folder)
    served = str(storage.read_json(description_file)["served"])
    for file in ("tokenizer.json", served):
        tracking.download(version, file, folder)
    return inference.load(description_file.parent, served, threads)
