"""What a version was made of: every input, the code, the packages, the recipe and its seeds, by hash."""

import hashlib
import json
from typing import Any

from tasks import dvc_repo, federated, storage
from tasks.errors import TidemillError
from tasks.paths import STAGES, Paths


def lineage(recipe: str, paths: Paths) -> dict[str, Any]:
    """The whole descent of the present outputs. `id` (sha256) covers all but the environment's unused packages.

    Raises TidemillError when a stage has never run.
    """
    recorded = dvc_repo.recorded(paths.root, recipe)
    missing = [stage for stage in STAGES if stage not in recorded["stages"]]
    if missing:
        raise TidemillError(f"dvc.lock: {missing[0]}@{recipe} has never run; run: tidemill run {recipe}")
    stages = {stage: _hashes(recorded["stages"][stage]) for stage in STAGES}
    covered = {"recipe": recipe, "stages": stages, "tracked": recorded["tracked"]}
    told = federated.manifest(paths)
    lock = paths.root / "requirements.lock"
    return {
        **covered,
        "id": hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest(),
        **({"federated": told} if told else {}),
        "environment": {"requirements.lock": storage.sha256_file(lock) if lock.is_file() else None},
        "fingerprints": {stage: storage.read_json(paths.fingerprints / f"{stage}.json") for stage in STAGES},
    }


def _hashes(entry: dict[str, Any]) -> dict[str, Any]:
    """A stage of dvc.lock as its command and the md5 of each file it read and wrote."""
    files = {part: {item["path"]: item["md5"] for item in entry.get(part, [])} for part in ("deps", "outs")}
    return {"cmd": entry["cmd"], **files}
