"""One JSON file a stage: change what is in it, and DVC runs the stage again."""

import importlib.metadata
import sys
from functools import cache
from pathlib import Path
from typing import Any

from tasks import federated, storage
from tasks.errors import RecipeError
from tasks.fingerprint.code import reach
from tasks.fingerprint.sections import values
from tasks.paths import STAGES, Paths
from tasks.recipe import Recipe

DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "PIL": "pillow",
    "crowdkit": "crowd-kit",
    "stdnum": "python-stdnum",
}
"""Packages that are imported by another name than they are installed by."""


def fingerprint(recipe: Recipe, root: Path, stage: str) -> dict[str, Any]:
    """The stage's code (hash by function), packages (version by name), other files (sha256) and recipe values."""
    found = reach(root, [(f"tasks.{stage}.run", "run")], recipe.kind)
    return {
        "code": found.definitions,
        "packages": {"python": ".".join(map(str, sys.version_info[:2])), **_versions(found.packages)},
        "files": {str(file.relative_to(root)): storage.sha256_file(file) for file in _files(recipe, root, stage)},
        "recipe": values(recipe, stage),
    }


def _versions(packages: set[str]) -> dict[str, str]:
    outside = sorted(packages - sys.stdlib_module_names - {"tasks"})
    return {name: version for name in outside if (version := _version(name))}


@cache
def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(DISTRIBUTIONS.get(package, package))
    except importlib.metadata.PackageNotFoundError:
        return None


def _files(recipe: Recipe, root: Path, stage: str) -> list[Path]:
    """Files that are read beside the code: templates in the stage's package, and the suites of `validate`."""
    files = [f for f in (root / "tasks" / stage).glob("*") if f.is_file() and f.suffix not in (".py", ".pyc")]
    if stage == "train":
        files += federated.files(Paths(root, recipe.name))
    if stage == "validate":
        names = {recipe.validation.records, recipe.validation.labels}
        files += [root / "expectations" / f"{name}.json" for name in names]
    missing = [str(file.relative_to(root)) for file in files if not file.is_file()]
    if missing:
        known = ", ".join(sorted(file.stem for file in (root / "expectations").glob("*.json")))
        raise RecipeError(f"{missing[0]}: there is no such suite; known are: {known}")
    return sorted(files)


def run(recipe: Recipe, paths: Paths) -> None:
    """Write every stage's fingerprint. DVC calls this first in each `dvc repro`."""
    for stage in STAGES:
        storage.write_json(paths.fingerprints / f"{stage}.json", fingerprint(recipe, paths.root, stage))
