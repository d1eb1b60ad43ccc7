"""The seal of a version whose artifacts were cleaned: it says what is there now, so that the version still serves."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from tasks import checksums, storage, tracking
from tasks.forget.artifacts import PLACE
from tasks.forget.search import Finding

FOLDER = "model"
"""Below it a run keeps its version's artifacts."""

OWN = "mlflow"
"""The folder of our own MLflow in the home."""


def reseal(models: Iterable[str], findings: Iterable[Finding]) -> list[str]:
    """The versions that were sealed anew over their cleaned artifacts. Raises ServerError."""
    paths = [(finding.place, PurePosixPath(finding.path).parts) for finding in findings]
    changed = [parts for place, parts in paths if FOLDER in parts and (place == PLACE or OWN in parts)]
    if not changed:
        return []
    sealed = []
    for model in models:
        for version in tracking.versions(model):
            files = sorted({parts[-1] for parts in changed if version.run_id in parts})
            if files and tracking.CHECKSUMS_TAG in version.tags:
                _seal(model, version, files)
                sealed.append(f"{model}@{version.number}")
    return sealed


def _seal(model: str, version: tracking.Version, files: Iterable[str]) -> None:
    """Cut off between the two writes, the same command seals it again: the list is not checked against the old seal."""
    with storage.scratch() as folder, storage.scratch() as changed:
        path = tracking.download(version, checksums.FILE, folder)
        sums = storage.read_json(path)
        cleaned = {file: tracking.download(version, file, changed) for file in files if file in sums}
        storage.write_json(path, {**sums, **{file: storage.sha256_file(found) for file, found in cleaned.items()}})
        tracking.attach(version, folder)
        tracking.tag_version(model, version.number, {tracking.CHECKSUMS_TAG: storage.sha256_file(path)})
