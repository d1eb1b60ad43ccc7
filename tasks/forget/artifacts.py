"""A record in the artifacts of MLflow's runs, where MLflow is a server of the user's own."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tasks import storage, tracking
from tasks.forget import contents
from tasks.forget.needles import MARK
from tasks.forget.search import Finding
from tasks.forget.target import Target

PLACE = "MLflow"
WEIGHTS = (".onnx", ".safetensors")
"""Numbers: they hold no text, and are most of the bytes."""


def search(models: Iterable[str], target: Target) -> list[Finding]:
    """The artifacts that hold something. Raises ServerError."""
    found = []
    for run_id, path in _artifacts(models):
        with storage.scratch() as folder:
            file = tracking.run_file(run_id, path, folder)
            if hits := contents.file_hits(file, target):
                digest = storage.sha256_file(file)
                found.append(Finding(PLACE, f"{run_id}/{path}", hits.rows, hits.passages, digest))
    return found


def erase(findings: Iterable[Finding], target: Target) -> list[str]:
    """Put a cleaned file in the place of each artifact; what cannot be cleaned becomes a mark. Raises ServerError."""
    for finding in findings:
        run_id, _, path = finding.path.partition("/")
        with storage.scratch() as folder:
            file = tracking.run_file(run_id, path, folder)
            if not contents.erase(file, target):
                file.write_bytes(MARK)
            tracking.replace_file(run_id, path, file)
    return []


def _artifacts(models: Iterable[str]) -> Iterator[tuple[str, str]]:
    for model in models:
        for run_id in tracking.run_ids(model):
            yield from ((run_id, path) for path in tracking.run_files(run_id) if Path(path).suffix not in WEIGHTS)
