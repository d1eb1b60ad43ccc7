"""What a version was made of: every input, the code, the packages, the recipe and its seeds, by hash."""

from typing import Any

from tasks import checksums, dvc_repo, federated, storage
from tasks.environment import environment
from tasks.errors import TidemillError
from tasks.hardware import hardware
from tasks.paths import STAGES, Paths


def lineage(recipe: str, paths: Paths) -> dict[str, Any]:
    """The whole descent of the present outputs; its `id` says which model it is (`checksums.lineage_id`).

    Raises TidemillError when a stage has never run.
    """
    recorded = dvc_repo.recorded(paths.root, recipe)
    missing = [stage for stage in STAGES if stage not in recorded["stages"]]
    if missing:
        raise TidemillError(f"dvc.lock: {missing[0]}@{recipe} has never run; run: tidemill run {recipe}")
    stages = {stage: dvc_repo.hashes(recorded["stages"][stage]) for stage in STAGES}
    covered = {"recipe": recipe, "stages": stages, "tracked": recorded["tracked"]}
    told = federated.manifest(paths)
    lock = paths.root / "requirements.lock"
    return {
        **covered,
        "id": checksums.lineage_id(covered),
        **({"federated": told} if told else {}),
        "environment": {"requirements.lock": storage.sha256_file(lock) if lock.is_file() else None, **environment()},
        "hardware": hardware(),
        "remotes": dvc_repo.remote_urls(paths.root),
        "fingerprints": {stage: storage.read_json(paths.fingerprints / f"{stage}.json") for stage in STAGES},
    }
