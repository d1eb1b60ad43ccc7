"""The sha256 of every file of a version, in one file whose own sha256 the registry knows."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from tasks import storage
from tasks.errors import TidemillError
from tasks.paths import STAGES

FILE = "checksums.json"


def write(folder: Path) -> str:
    """The sha256 of checksums.json, newly written over all other files of the folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != FILE)
    sums = {file.relative_to(folder).as_posix(): storage.sha256_file(file) for file in files}
    storage.write_json(folder / FILE, sums)
    return storage.sha256_file(folder / FILE)


def read(folder: Path, sealed: str) -> dict[str, str]:
    """The sha256 by file name. Raises TidemillError when checksums.json is not the one that was sealed."""
    content = (folder / FILE).read_bytes()
    if hashlib.sha256(content).hexdigest() != sealed:
        raise TidemillError(
            f"{folder / FILE}: is not what the registry sealed; the artifacts were changed, release again"
        )
    return cast("dict[str, str]", json.loads(content))


def of(value: Any) -> str:
    """The sha256 of a JSON-able value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def lineage_id(lineage: Mapping[str, Any]) -> str:
    """The sha256 over what makes the model: all that the stages after `split` read and wrote.

    A record that reaches no split makes no other model. Nor does the machine, or a package that no stage uses.
    """
    after = STAGES[STAGES.index("split") + 1 :]
    return of([lineage["recipe"], *(lineage["stages"][stage] for stage in after)])


def broken(file: Path, name: str, sums: Mapping[str, str]) -> str | None:
    """What is wrong with the file that was released as `name`, or None."""
    found = storage.sha256_file(file)
    if name not in sums:
        return f"{name}: was not there when the version was released"
    if found != sums[name]:
        return f"{name}: is not what was released (sha256 {sums[name][:16]}… then, {found[:16]}… now)"
    return None


def require(file: Path, sha256: str) -> None:
    """Raises TidemillError when the file's bytes are not those with this sha256."""
    if storage.sha256_file(file) != sha256:
        raise TidemillError(f"{file}: its sha256 is not the registered one; the artifacts were changed, release again")
