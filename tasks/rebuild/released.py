"""What the registry holds of a version, each file checked against the hashes of its release."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks import checksums, storage, tracking
from tasks.errors import TidemillError

ADDRESS = re.compile(r"([a-z][a-z0-9_]*)@([1-9][0-9]*)")


@dataclass(frozen=True)
class Released:
    """A registered version, its lineage, and the hashes of its files."""

    recipe: str
    version: tracking.Version
    lineage: Mapping[str, Any]
    sealed: Mapping[str, str]
    folder: Path
    """Where its files are fetched to."""

    @property
    def name(self) -> str:
        """As people write it: feedback@7."""
        return f"{self.recipe}@{self.version.number}"


def parsed(address: str) -> tuple[str, int]:
    """Recipe and number of an address such as feedback@7. Raises TidemillError."""
    found = ADDRESS.fullmatch(address)
    if found is None:
        raise TidemillError(f"{address!r}: is no version; write RECIPE@NUMBER, such as feedback@7")
    return found[1], int(found[2])


def released(recipe: str, number: int, folder: Path) -> Released:
    """The version with its lineage, files to be fetched into `folder`.

    Raises TidemillError when there is no such version, when a record of its data was forgotten, or when its
    lineage is not the one that was released: then nothing can be compared.
    """
    version = _version(recipe, number)
    if version.gone:
        raise TidemillError(
            f"{recipe}@{number}: cannot be made again, since a record of its data was forgotten "
            f"({version.tags[tracking.FORGOTTEN_TAG]}); "
            f"a version without it comes from: tidemill run {recipe}"
        )
    sealed = _sealed(version, f"{recipe}@{number}", folder)
    file = tracking.download(version, "lineage.json", folder)
    if fault := checksums.broken(file, "lineage.json", sealed):
        raise TidemillError(f"{recipe}@{number}: {fault}, so nothing can be compared with it; restore the registry")
    return Released(recipe, version, storage.read_json(file), sealed, folder)


def fetched(version: Released, name: str) -> tuple[Path, str | None]:
    """The version's file, and what is wrong with it (None: it is the released one)."""
    file = tracking.download(version.version, name, version.folder)
    return file, checksums.broken(file, name, version.sealed)


def _version(recipe: str, number: int) -> tracking.Version:
    known = tracking.versions(recipe)
    for version in known:
        if version.number == number:
            return version
    there = ", ".join(str(version.number) for version in known) or "none; see: tidemill recipes"
    raise TidemillError(f"{recipe}@{number}: there is no such version; the registry has: {there}")


def _sealed(version: tracking.Version, name: str, folder: Path) -> Mapping[str, str]:
    tagged = version.tags.get(tracking.CHECKSUMS_TAG)
    if tagged is None:
        raise TidemillError(f"{name}: was registered without checksums; release it again")
    file = tracking.download(version, checksums.FILE, folder)
    if storage.sha256_file(file) != tagged:
        raise TidemillError(
            f"{name}: {checksums.FILE} is not what was released (sha256 {tagged[:16]}… then, "
            f"{storage.sha256_file(file)[:16]}… now), so no file of it can be trusted; restore the registry"
        )
    found: dict[str, str] = storage.read_json(file)
    return found
