"""A registered version's own files, brought here as whoever serves it gets them."""

from pathlib import Path

from tasks import inference, storage, tracking


def model_folder(version: tracking.Version, folder: Path) -> Path:
    """`folder` with the version's served model file, its description and its tokenizer. Raises ServerError."""
    description = tracking.download(version, inference.DESCRIPTION, folder)
    for file in ("tokenizer.json", served_file(description.parent)):
        tracking.download(version, file, folder)
    return description.parent


def served_file(folder: Path) -> str:
    """The name of the model file in a model folder that is served."""
    return str(storage.read_json(folder / inference.DESCRIPTION)["served"])
