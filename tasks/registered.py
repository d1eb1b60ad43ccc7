"""A registered version's model on this disk: fetched once, each file checked against the registry."""

from collections.abc import Sequence
from pathlib import Path

from tasks import checksums, inference, storage, tracking
from tasks.errors import TidemillError

SEEN = "seen.parquet"
"""In a version's artifacts: the records that its training or the choice of its form has seen, and in which split."""

BESIDE = ("tokenizer.json", "probes.parquet")
"""What a model needs beside itself, as far as its kind has it."""


def fetched(version: tracking.Version, model: str, folder: Path, more: Sequence[str] = ()) -> Path:
    """The folder with the served model of `version` of `model`, below `folder`; what is there already is kept.

    `more` names further artifacts that are wanted where the version has them.

    Raises ServerError when MLflow does not answer, TidemillError when a file is not what was registered.
    """
    sealed = version.tags.get(tracking.CHECKSUMS_TAG)
    if sealed is None:
        raise TidemillError(f"{model}@{version.number}: was registered without checksums; release it again")
    place = folder / str(version.number)
    # A version's number may come back when a registry is made anew; then nothing that lies here is trusted.
    if not (place / checksums.FILE).is_file() or storage.sha256_file(place / checksums.FILE) != sealed:
        tracking.download(version, checksums.FILE, place)
    sums = checksums.read(place, sealed)
    _present(version, inference.DESCRIPTION, place, sums)
    for name in (served_file(place), *(name for name in (*BESIDE, *more) if name in sums)):
        _present(version, name, place, sums)
    return place


def served_file(folder: Path) -> str:
    """The name of the model file in a model folder that is served."""
    return str(storage.read_json(folder / inference.DESCRIPTION)["served"])


def _present(version: tracking.Version, name: str, place: Path, sums: dict[str, str]) -> None:
    """Have the file in `place`, whole and as registered."""
    if name not in sums:
        raise TidemillError(f"{place / checksums.FILE}: knows no {name!r}; the version is not complete, release again")
    if not (place / name).is_file() or storage.sha256_file(place / name) != sums[name]:
        tracking.download(version, name, place)
        checksums.require(place / name, sums[name])
