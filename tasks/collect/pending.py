"""Which sources could bring something new, told from manifests and file times alone. Imports nothing slow."""

import hashlib
from pathlib import Path
from typing import Any

from tasks.collect.origins import declaration, own_path, pinned, stamp
from tasks.manifests import Readings, manifests, readings
from tasks.paths import Paths
from tasks.recipe import LabelSource, Origin, Recipe


def pending(recipe: Recipe, paths: Paths) -> tuple[str, ...]:
    """The names of sources (and `base_model`) that a collect would read, in the recipe's order.

    A pinned origin is settled once it was read as it is declared now; a file while it holds what was read;
    everything else may always have changed. Labels that find their records by key wait for their record source too.
    """
    raw, labels = readings(paths.raw, paths), readings(paths.labels, paths)
    records = [s.name for s in recipe.sources if not settled(s, raw.get(declaration(s), []), paths.root)]
    found = [s.name for s in recipe.labels.sources if s.of in records or not _labels_settled(s, recipe, labels, paths)]
    model = [] if _model_settled(recipe, paths) else ["base_model"]
    return (*records, *found, *model)


def label_declaration(source: LabelSource, recipe: Recipe) -> str:
    """The declaration of a label source, with that of the record source whose keys it uses."""
    return declaration(source, next((s for s in recipe.sources if s.name == source.of), None))


def settled(origin: Origin, known: list[dict[str, Any]], root: Path) -> bool:
    """Whether an origin that was read so before has nothing else to give."""
    if not known:
        return False
    if pinned(origin):
        return True
    return origin.url.startswith("file:") and _unchanged(own_path(origin, root), known)


def _labels_settled(source: LabelSource, recipe: Recipe, known: Readings, paths: Paths) -> bool:
    return settled(source, known.get(label_declaration(source, recipe), []), paths.root)


def _model_settled(recipe: Recipe, paths: Paths) -> bool:
    """Whether the base model is here whole and can be no other."""
    known = manifests(paths.base_model, "manifest.json")
    if not known or not all((paths.base_model / name).is_file() for name in known[0]["files"]):
        return False
    origin = recipe.train.base_model
    if origin is None:
        return not known[0]["files"]
    entries = [entry for entry in known[0]["sources"] if entry["declaration"] == declaration(origin)]
    own = own_path(origin, paths.root)
    if entries and origin.url.startswith("file:") and own.is_dir():
        return stamp(own) == (entries[0]["size"], entries[0]["modified_ns"]) or _same_files(own, known[0]["files"])
    return settled(origin, entries, paths.root)


def _same_files(folder: Path, files: dict[str, dict[str, Any]]) -> bool:
    """Whether a folder still holds the files that were taken from it."""
    return all((folder / n).is_file() and _sha256(folder / n) == file["sha256"] for n, file in files.items())


def _unchanged(path: Path, known: list[dict[str, Any]]) -> bool:
    """Whether the file holds what one of the readings found: by size and time, else by its bytes."""
    if not path.is_file():
        return False
    size, modified_ns = stamp(path)
    same_size = [entry for entry in known if entry["size"] == size]
    if any(entry["modified_ns"] == modified_ns for entry in same_size):
        return True
    return bool(same_size) and _sha256(path) in {entry["sha256"] for entry in same_size}


def _sha256(path: Path) -> str:
    """As `storage` has it; that module brings pandas."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
