"""Datasets and models of the Hugging Face hub: `hf:NAME`, `hf:NAME@REVISION`, `hf:NAME@REVISION#CONFIGURATION`."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.collect.tables import table_of
from tasks.errors import RecipeError, SourceError
from tasks.paths import Paths
from tasks.recipe import Origin, Table

_FORM = re.compile(r"hf:(?P<name>[^@#]+)(?:@(?P<revision>[^#]+))?(?:#(?P<configuration>.+))?")


def dataset_table(source: Table, paths: Paths) -> pd.DataFrame:
    """The rows of a dataset's split as text cells. Nothing of the dataset's own code runs.

    Raises RecipeError without a split, SourceError when the hub or the dataset cannot be reached.
    """
    if not source.split:
        raise RecipeError(f"{source.url}: needs `split`, such as train")
    _silence()
    import datasets

    name, revision, configuration = _parts(source)
    slice_name = f"{source.split}[:{source.limit}]" if source.limit else source.split
    cache = str(paths.home / "hub")
    try:
        found = datasets.load_dataset(name, configuration, split=slice_name, revision=revision, cache_dir=cache)
        rows = [dict(row) for row in _encoded(found)]
    except Exception as error:  # datasets lets through what every backend of it raises
        raise _unreadable(source, error) from error
    return table_of(rows, pd.RangeIndex(1, len(rows) + 1, name="row"))


def _encoded(found: Any) -> Any:
    """The dataset with its images as the bytes they are stored in, not decoded by it."""
    import datasets

    images = [name for name, feature in found.features.items() if isinstance(feature, datasets.Image)]
    for name in images:
        found = found.cast_column(name, datasets.Image(decode=False))
    return found


def model_folder(origin: Origin, paths: Paths, names: Sequence[str]) -> Path:
    """A folder with those files of a model repository; nothing else is fetched. Raises SourceError."""
    _silence()
    import huggingface_hub

    name, revision, _ = _parts(origin)
    patterns = [*names, "*.bin.index.json"]
    cache = str(paths.home / "hub")
    try:
        folder = huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=patterns, cache_dir=cache)
    except Exception as error:  # the hub's client lets through what its transport raises
        raise _unreadable(origin, error) from error
    return Path(folder)


def _silence() -> None:
    """The hub's libraries read these when they are imported."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def _parts(origin: Origin) -> tuple[str, str | None, str | None]:
    if origin.sha256:
        raise RecipeError(f"{origin.url}: takes no sha256; pin the commit: hf:NAME@<40 hexadecimal digits>")
    found = _FORM.fullmatch(origin.url)
    if not found:
        raise RecipeError(f"{origin.url}: is no hub name; write hf:NAME@REVISION#CONFIGURATION")
    return found["name"], found["revision"], found["configuration"]


def _unreadable(origin: Origin, error: Exception) -> SourceError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return SourceError(f"{origin.url}: the hub gives no such thing ({reason}); check name, revision and network")
