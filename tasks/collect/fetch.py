"""An origin as a local file that is verified: fetched once, then kept under its sha256."""

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from tasks import storage
from tasks.collect import object_store, packages, web
from tasks.collect.origins import own_path, shown
from tasks.errors import SourceError, TidemillError
from tasks.paths import Paths
from tasks.recipe import Origin

Download = Callable[[Origin, Path], None]
"""Writes the origin's bytes to a path, or raises SourceError."""


def downloads() -> dict[str, Download]:
    """How the bytes of each URL scheme come here."""
    stores = dict.fromkeys(object_store.EXTRAS, object_store.download)
    return {
        "http": web.download,
        "https": web.download,
        "pypi": packages.pypi,
        "npm": packages.npm,
        "package": packages.installed,
        **stores,
    }


def local_file(origin: Origin, paths: Paths) -> Path:
    """A file with the origin's bytes: itself for `file:`, else a download that is kept for the next run.

    Raises SourceError when it is missing, cut short, or has another sha256 than the recipe says.
    """
    scheme = origin.url.partition(":")[0]
    if scheme == "file":
        return _own_file(origin, own_path(origin, paths.root))
    if scheme not in downloads():
        raise SourceError(f"{shown(origin.url)}: {scheme}: gives rows, not a file; leave `member` and `format` out")
    kept = kept_file(origin, paths)
    if origin.sha256 and kept.is_file() and storage.sha256_file(kept) == origin.sha256:
        return kept
    remove_leftovers(kept.parent)
    with storage.atomic(kept) as part:
        _guarded(downloads()[scheme], origin, part)
        _verified(origin, part)
    return kept


def kept_file(origin: Origin, paths: Paths) -> Path:
    """Where a download of the origin is kept."""
    return paths.home / "downloads" / (origin.sha256 or _unpinned_name(origin))


def remove_leftovers(folder: Path) -> None:
    """Remove the unfinished downloads of processes that are gone."""
    for leftover in folder.glob("*.part"):
        process = re.search(r"\.(\d+)\.part$", leftover.name)
        if process and not _alive(int(process[1])):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)


def _own_file(origin: Origin, path: Path) -> Path:
    if path.is_dir():
        raise SourceError(f"{path}: is a folder; name one file, or pack the folder into a zip")
    if not path.is_file():
        raise SourceError(f"{path}: there is no such file; a relative path starts at the project's folder")
    _verified(origin, path)
    return path


def _guarded(download: Download, origin: Origin, part: Path) -> None:
    """Faults of the disk stay what they are; every other one names the origin."""
    try:
        download(origin, part)
    except TidemillError as error:
        raise SourceError(f"{shown(origin.url)}: {error}") from error


def _verified(origin: Origin, path: Path) -> None:
    if origin.sha256 is None:
        return
    found = storage.sha256_file(path)
    if found != origin.sha256:
        raise SourceError(
            f"{shown(origin.url)}: its sha256 is {found}, the recipe says {origin.sha256}; "
            "the file is another one than was pinned: look at it, then set sha256 to what you trust"
        )


def _unpinned_name(origin: Origin) -> str:
    """One name a URL, so that a newer download takes the older one's place."""
    return "unpinned-" + hashlib.sha256(origin.url.encode()).hexdigest()[:16]


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
