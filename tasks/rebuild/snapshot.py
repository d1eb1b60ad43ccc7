"""The code, recipe and graph of a version, unpacked into a project of their own."""

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tasks import dvc_repo
from tasks.errors import TidemillError
from tasks.recipe import Budget, Rebuild

ARCHIVE = "source.tar.gz"


@dataclass(frozen=True)
class Snapshot:
    """A project of one recipe as it was at a release; its stages have not run here."""

    root: Path
    recipe: str
    remote: str
    budget: Budget
    tolerance: Rebuild


def unpacked(archive: Path, root: Path, recipe: str) -> Snapshot:
    """The archive's project in the folder `root`, without the record of what its stages made.

    Raises TidemillError when the archive is damaged, or lacks the recipe or the graph.
    """
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(root, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise TidemillError(f"{archive}: is no archive that can be unpacked ({error}); restore the registry") from error
    missing = [name for name in ("dvc.yaml", ".dvc/config", f"recipes/{recipe}.yaml") if not (root / name).is_file()]
    if missing:
        raise TidemillError(f"{archive}: holds no {missing[0]}, so this version cannot be made again")
    (root / "dvc.lock").unlink(missing_ok=True)
    return _described(root, recipe)


def _described(root: Path, recipe: str) -> Snapshot:
    """Only the few keys that a rebuild itself needs: today's checks may not fit the recipe of then."""
    import yaml

    file = root / "recipes" / f"{recipe}.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    try:
        budget, tolerance = (
            Budget.model_validate(content.get("budget", {})),
            Rebuild.model_validate(content.get("rebuild", {})),
        )
    except ValidationError as error:
        raise TidemillError(f"{file}: {' '.join(str(error).split())}") from error
    return Snapshot(root, recipe, str(content.get("remote", "local")), budget, tolerance)


def remote(snapshot: Snapshot, project: Path | None, recorded: Mapping[str, str], url: str | None) -> dict[str, Any]:
    """The settings of the DVC remote that holds the data: `url` if given, else what `project` calls by that name, else
    what was recorded at the release. A folder that is not there is passed over. Raises TidemillError.
    """
    known = [{"url": url}] if url else []
    if not url:
        known += [dvc_repo.remote(project, snapshot.remote)] if project else []
        known += [{"url": recorded[snapshot.remote]}] if snapshot.remote in recorded else []
    known = [settings for settings in known if settings.get("url")]
    reachable = [settings for settings in known if not _is_missing_folder(str(settings["url"]))]
    if not reachable:
        asked = " and ".join(str(settings["url"]) for settings in known) or "nowhere: nothing names it"
        raise TidemillError(
            f"DVC remote {snapshot.remote!r}, which holds the data, was looked for at {asked}; "
            "say where it is now: --remote URL"
        )
    return reachable[0]


def _is_missing_folder(url: str) -> bool:
    return "://" not in url and not Path(url).is_dir()
