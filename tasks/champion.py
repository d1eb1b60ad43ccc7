"""The champion of a recipe at work: its own files from the registry, loaded."""

from dataclasses import dataclass

from tasks import inference, registered, storage, tracking


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
    with storage.scratch() as folder:
        place = registered.fetched(version, recipe, folder)
        return Champion(version, inference.load(place, registered.served_file(place), threads))
