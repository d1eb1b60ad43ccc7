"""The findings of a search taken out of the files; each step may be done twice."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from tasks import dvc_repo
from tasks.dvc_objects import Store
from tasks.errors import TidemillError
from tasks.forget import contents
from tasks.forget.search import SHARD, Finding, Ground
from tasks.forget.shards import rewrite
from tasks.forget.target import Target
from tasks.paths import Paths
from tasks.progress import progress

HUB = "hub"
"""Datasets of the Hugging Face hub lie there in a library's own form: a dataset that holds a record goes whole."""


def erase(ground: Ground, findings: Iterable[Finding], target: Target) -> list[str]:
    """Take what was found out of files and stores, and say what could not be taken out of which remote and why.

    Raises TidemillError when a file of this machine cannot be changed.
    """
    faults = []
    stores = {store.name: store for store in ground.stores}
    todo = list(findings)
    with progress("erasing", len(todo)) as report:
        for done, finding in enumerate(todo):
            report(done, finding.place)
            if finding.place in stores:
                faults += _removed(stores[finding.place], finding)
            else:
                _cleaned(ground, finding, target)
    return faults


def track(root: Path, recipe: str, remote: str) -> list[str]:
    """Put the rewritten shards under DVC and push them; why that failed, if it did."""
    paths = Paths(root, recipe)
    try:
        dvc_repo.track(root, [paths.raw, paths.labels], remote)
    except TidemillError as error:
        return [f"{recipe}: the data without the record are not in the remote yet: {error}"]
    return []


def remove_checkpoints(home: Path, recipes: Iterable[str]) -> None:
    """Remove the states of interrupted trainings: their weights may have met the record."""
    for recipe in recipes:
        shutil.rmtree(home / "checkpoints" / recipe, ignore_errors=True)


def _removed(store: Store, finding: Finding) -> list[str]:
    try:
        store.remove(finding.path)
    except TidemillError as error:
        return [str(error)]
    return []


def _cleaned(ground: Ground, finding: Finding, target: Target) -> None:
    path = ground.root / finding.path
    if not path.is_file():
        return
    if finding.place == SHARD:
        rewrite(path, target)
    elif path.is_relative_to(ground.home / HUB):
        below = path.relative_to(ground.home / HUB).parts[0]
        whole = ground.home / HUB / below
        shutil.rmtree(whole) if whole.is_dir() else whole.unlink()
    else:
        contents.erase(path, target)
