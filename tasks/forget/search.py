"""Where a record stands: every shard, stage output, object, page, log and database of the project is read."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tasks import dvc_objects, storage
from tasks.dvc_objects import Store
from tasks.errors import TidemillError
from tasks.forget import contents, places
from tasks.forget.target import Hits, Target
from tasks.progress import Report, progress

SHARD, DERIVED, STATE, TEMPORARY = "shards", "stage outputs", "state", "temporary folders"


@dataclass(frozen=True)
class Finding:
    """One file or object that holds something, by hashes and counts alone."""

    place: str
    path: str
    rows: int
    passages: int
    hash: str | None = None
    """sha256 of the file, md5 of a DVC object, as it was."""
    tells: bool = False
    """Whether it is a table that tells the record's text: such tables go last."""

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


@dataclass(frozen=True)
class Found:
    """All that a search has found, and what it has seen on its way."""

    findings: tuple[Finding, ...]
    objects: dict[str, frozenset[str]] = field(default_factory=dict)
    """Of every DVC object that was read: the forgotten records in it."""
    listings: dict[str, frozenset[str]] = field(default_factory=dict)
    """The objects in each folder that DVC has recorded."""
    unreachable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ground:
    """What is searched: the project's folder and home, and its cache and remotes."""

    root: Path
    home: Path
    stores: tuple[Store, ...]

    def local_files(self) -> dict[str, list[Path]]:
        """The files outside of DVC's stores, by place."""
        stores = [Path(store.folder) for store in self.stores if store.on_this_machine]
        shards = [path for folder in places.SHARD_FOLDERS for path in places.shards(self.root, folder)]
        return {
            SHARD: shards,
            DERIVED: places.derived(self.root),
            STATE: places.state(self.root, self.home, stores),
            TEMPORARY: places.temporary(),
        }

    def store_paths(self) -> tuple[list[tuple[Store, str]], tuple[str, ...]]:
        """Every file of the stores that can be listed, and why the others cannot."""
        found, faults = [], []
        for store in self.stores:
            try:
                found += [(store, path) for path in store.paths()]
            except TidemillError as error:
                faults.append(str(error))
        return found, tuple(faults)


def known_texts(ground: Ground, ids: frozenset[str]) -> set[str]:
    """Every text that stands under these ids in a table: as it arrived, and cleaned."""
    found: set[str] = set()
    for paths in ground.local_files().values():
        for file in filter(contents.is_table, paths):
            with contents.content_of(file) as content:
                found |= contents.texts(content, ids)
    seen: set[str] = set()
    for store, path in ground.store_paths()[0]:
        if dvc_objects.md5_of(path) not in seen and not store.is_run(path):
            seen.add(dvc_objects.md5_of(path))
            found |= _of_object(store, path, partial(contents.texts, ids=ids))
    return found


def search(ground: Ground, target: Target) -> Found:
    """All that is found of the target."""
    files = ground.local_files()
    entries, unreachable = ground.store_paths()
    objects = [(store, path) for store, path in entries if not store.is_run(path)]
    total = sum(map(len, files.values())) + len(objects)
    findings: list[Finding] = []
    with progress("searching files", total) as report:
        for place, paths in files.items():
            findings += _in_files(place, paths, ground, target, report)
        seen, held = _in_objects(objects, target, report)
    listings = dvc_objects.listings(objects)
    runs = _runs([(s, p) for s, p in entries if s.is_run(p)], {str(one.hash) for one in held}, listings)
    return Found((*findings, *held, *runs), seen, listings, unreachable)


def _in_files(place: str, paths: Iterable[Path], ground: Ground, target: Target, report: Report) -> list[Finding]:
    found = []
    for number, path in enumerate(paths):
        report(number, place)
        if hits := contents.file_hits(path, target):
            shown = path.relative_to(ground.root) if path.is_relative_to(ground.root) else path
            with contents.content_of(path) as content:
                tells = bool(contents.texts(content, target.ids))
            found.append(Finding(place, str(shown), hits.rows, hits.passages, storage.sha256_file(path), tells))
    return found


def _in_objects(
    objects: Iterable[tuple[Store, str]], target: Target, report: Report
) -> tuple[dict[str, frozenset[str]], list[Finding]]:
    """The records in each object by md5, each read once wherever it lies, and the objects that hold something."""
    known: dict[str, tuple[Hits, bool]] = {}
    found = []
    for number, (store, path) in enumerate(objects):
        report(number, store.name)
        md5 = dvc_objects.md5_of(path)
        if md5 not in known:
            known[md5] = _of_object(store, path, partial(_looked_at, target=target))
        hits, tells = known[md5]
        if hits:
            found.append(Finding(store.name, path, hits.rows, hits.passages, md5, tells))
    return {md5: hits.ids for md5, (hits, _) in known.items()}, found


def _looked_at(content: Any, target: Target) -> tuple[Hits, bool]:
    return contents.hits(content, target), bool(contents.texts(content, target.ids))


def _of_object(store: Store, path: str, look: Callable[[Any], Any]) -> Any:
    if store.on_this_machine:
        with contents.content_of(Path(path)) as content:
            return look(content)
    return look(store.read(path))


def _runs(entries: Iterable[tuple[Store, str]], gone: set[str], listings: dict[str, frozenset[str]]) -> list[Finding]:
    """The run cache's notes on what goes: DVC would take back outputs of which a part is missing."""
    names = gone | {name for name, inside in listings.items() if inside & gone}
    held = [(store, path) for store, path in entries if any(name in store.read(path).decode() for name in names)]
    return [Finding(store.name, path, 0, 1) for store, path in held]
