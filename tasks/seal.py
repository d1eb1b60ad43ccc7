"""Values and folders of files by hash: a folder is sealed by a list of its files' hashes, which is hashed itself."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks import storage

LIST = "artifacts.json"


def of(value: Any) -> str:
    """The sha256 of a JSON-able value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def write(folder: Path) -> str:
    """The sha256 of the list of all files below `folder`, after it was written there as artifacts.json."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and file.name != LIST]
    storage.write_json(
        folder / LIST, {file.relative_to(folder).as_posix(): storage.sha256_file(file) for file in files}
    )
    return storage.sha256_file(folder / LIST)


def broken(file: Path, name: str, sealed: Mapping[str, str]) -> str | None:
    """What is wrong with the file that was sealed as `name`, or None."""
    found = storage.sha256_file(file)
    if name not in sealed:
        return f"{name}: was not there when the version was released"
    if found != sealed[name]:
        return f"{name}: is not what was released (sha256 {sealed[name][:16]}… then, {found[:16]}… now)"
    return None
