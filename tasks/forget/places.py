"""The files of a project that may hold a record, outside of DVC's cache and remotes."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from tasks.storage import SCRATCH

KEPT = ("ledger", "certificates", "forget", "locks", "runs")
"""Folders of the home that hold ids, hashes and locks only."""

BESIDE_A_DATABASE = ("-wal", "-shm", "-journal")
"""SQLite's own files: they are read and written with their database."""

SHARD_FOLDERS = ("raw", "labels")


def recipes(root: Path) -> list[str]:
    """Every recipe that has data here, whether its file is still there or not."""
    return sorted(folder.name for folder in (root / "data").glob("*") if folder.is_dir())


def shards(root: Path, folder: str) -> list[Path]:
    """The shards of all recipes in their `raw` or `labels`."""
    return sorted((root / "data").glob(f"*/{folder}/*.parquet"))


def traffic(home: Path) -> list[Path]:
    """What was asked of the served models."""
    return sorted((home / "traffic").rglob("*.parquet"))


def derived(root: Path) -> list[Path]:
    """Every file of the stages' outputs, and what an interrupted run left among the data."""
    own = {(root / "data" / recipe / folder) for recipe in recipes(root) for folder in SHARD_FOLDERS}
    return [path for path in _files(root / "data") if not _in(path, own) or path.name.endswith(".part")]


def state(root: Path, home: Path, stores: Iterable[Path]) -> list[Path]:
    """Every file of the home and of DVC's own temporary folder, but for stores that lie there."""
    left_out = {*(home / name for name in KEPT), *stores}
    found = [path for path in _files(home) if not _in(path, left_out)]
    return found + list(_files(root / ".dvc" / "tmp"))


def temporary() -> list[Path]:
    """What killed commands of Tidemill have left in the system's temporary folder."""
    folder = Path(tempfile.gettempdir())
    return [path for left in sorted(folder.glob(f"{SCRATCH}*")) for path in _files(left)]


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith(BESIDE_A_DATABASE):
            yield path


def _in(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)
