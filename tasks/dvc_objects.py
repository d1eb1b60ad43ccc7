"""The objects that DVC keeps, in its cache and in each remote: listed, read, removed."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.dvc_repo import repository
from tasks.errors import TidemillError

CACHE = "cache"
DIRECTORY = ".dir"
"""The md5 of a folder's listing ends so; the listing is JSON."""

RUNS = "runs"
"""DVC's run cache lies beside the objects: what a stage has made of which inputs."""


@dataclass(frozen=True)
class Store:
    """The cache or one remote."""

    name: str
    folder: str
    files: Any = field(repr=False)
    """The file system, as DVC opens it."""

    @property
    def on_this_machine(self) -> bool:
        """Whether its files are files of this machine."""
        return bool(self.files.protocol == "local")

    def paths(self) -> list[str]:
        """Every file in it, sorted. Raises TidemillError when it cannot be listed."""
        try:
            # A remote that does not answer looks like one where nothing is.
            empty = self.on_this_machine and not self.files.exists(self.folder)
            return [] if empty else sorted(self.files.find(self.folder))
        except Exception as error:  # each kind of remote has exceptions of its own
            raise TidemillError(f"{self.name}: cannot be listed ({type(error).__name__}: {error})") from error

    def read(self, path: str) -> bytes:
        """The file's bytes. Raises TidemillError."""
        try:
            with self.files.open(path, "rb") as file:
                content: bytes = file.read()
        except Exception as error:  # as above
            raise TidemillError(f"{self.name}: {path} cannot be read ({type(error).__name__}: {error})") from error
        return content

    def remove(self, path: str) -> None:
        """Remove the file. Raises TidemillError when it cannot be."""
        try:
            self.files.remove(path)
        except FileNotFoundError:
            return
        except Exception as error:  # as above
            raise TidemillError(f"{self.name}: {path} cannot be removed ({type(error).__name__}: {error})") from error

    def is_run(self, path: str) -> bool:
        """Whether the file belongs to the run cache."""
        return RUNS in path.removeprefix(self.folder).split("/")


@contextmanager
def stores(root: Path) -> Iterator[list[Store]]:
    """The cache and every remote of the configuration, while nobody else uses DVC here. Raises TidemillError."""
    with repository(root) as repo, repo.lock:
        yield [_cache(repo), *(_remote(repo, name) for name in sorted(repo.config["remote"]))]


def md5_of(path: str) -> str:
    """The hash of an object from its path, with `.dir` for a folder's listing."""
    *_, start, rest = path.split("/")
    return start + rest


def members(listing: bytes) -> frozenset[str]:
    """The hashes that a folder's listing names; none when it is damaged."""
    try:
        return frozenset(entry["md5"] for entry in json.loads(listing))
    except (ValueError, KeyError, TypeError):
        return frozenset()


def listings(found: Iterable[tuple[Store, str]]) -> dict[str, frozenset[str]]:
    """The hashes in each folder listing, by the listing's own hash."""
    return {md5_of(path): members(store.read(path)) for store, path in found if path.endswith(DIRECTORY)}


def _cache(repo: Any) -> Store:
    return Store(CACHE, repo.cache.legacy.path, repo.cache.legacy.fs)


def _remote(repo: Any, name: str) -> Store:
    remote = repo.cloud.get_remote(name)
    return Store(f"remote {name}", remote.path, remote.fs)
