"""Versions made again from the registry alone, after all data and caches were deleted; then with faults planted.

    python bench/rebuild.py

releases three versions of a small real project (int8 served, fp32 served, another recipe), deletes every data folder
and DVC's cache, and rebuilds them. Then one data byte in the remote is flipped, one function in a source archive is
edited, and another pandas is really installed: each has to be named at its stage.
"""

import json
import os
import shutil
import subprocess
import sys
import time

import small

import tampering  # isort: skip  (a file of tests/, which `small` puts on the path)
from small_project import small_project, write_recipe
from tiny_project import Project

from tasks import dvc_repo, tracking

OTHER_PACKAGE = "pandas==3.0.5"
RECIPES = {
    "small": {"compress": {"int8": True, "max_f1_loss": 1.0}},
    "other": {"seed": 5, "split": {"test": 0.3}, "train": {"targets": "soft", "epochs": 2}},
}


def main() -> int:
    """The exit code: 0 when every version is IDENTICAL and every fault is named at its stage."""
    with small.opened("rebuild") as place:
        projects = {
            name: small_project(place.template, place.folder / name, place.running, name, **changes)
            for name, changes in RECIPES.items()
        }
        for name, project in projects.items():
            project.tidemill("run", name)
        write_recipe(projects["small"].root, "small", compress={"int8": False})
        projects["small"].tidemill("run", "small")
        for project in projects.values():
            _forget_all_data(project)
        good = [
            _told(projects[name], f"{name}@{number}") for name, number in (("small", 1), ("small", 2), ("other", 1))
        ]
        good += [
            _flipped(projects["small"]),
            _edited(place, projects["small"]),
            _other_library(place, projects["small"]),
        ]
    return 0 if all(good) else 1


def _forget_all_data(project: Project) -> None:
    for folder in [*(project.root / "data").glob("*/*"), project.root / ".dvc" / "cache"]:
        if folder.is_dir():
            shutil.rmtree(folder)


def _told(project: Project, version: str, first: str | None = None, kind: str | None = None) -> bool:
    """Whether the rebuild ends as it has to: identical, or first different at that stage for that kind of cause."""
    started_at = time.monotonic()
    with project.start("rebuild", version, "--json") as child:
        output, _ = child.communicate()
    found = json.loads(output[output.index("{") :])
    causes = [f"{cause['kind']}: {cause['reason']}" for cause in found["causes"]]
    took = f"{time.monotonic() - started_at:.0f} s, {len(found['rows'])} stages run"
    print(f"{version}: {found['verdict']} {found['first'] or ''} ({took}) {'; '.join(causes)}", flush=True)
    if first is None:
        return bool(found["verdict"] == "IDENTICAL")
    return bool(found["first"] == first and found["causes"][0]["kind"] == kind)


def _flipped(project: Project) -> bool:
    remote = project.root / ".tidemill" / "remote"
    md5 = dvc_repo.recorded(project.root, "small")["tracked"]["raw"]
    listed = json.loads(tampering.remote_object(remote, md5).read_text())
    victim = next(file for file in listed if file["relpath"].endswith(".parquet"))
    tampering.flip(tampering.remote_object(remote, victim["md5"]))
    try:
        return _told(project, "small@1", "prepare", "data")
    finally:
        tampering.flip(tampering.remote_object(remote, victim["md5"]))


def _edited(place: small.Place, project: Project) -> bool:
    version = tracking.versions("small")[0]
    (archive,) = (place.running.home / "mlflow").glob(f"artifacts/*/{version.run_id}/artifacts/model/source.tar.gz")
    kept = archive.read_bytes()
    tampering.edit_source(archive, "tasks/split/run.py", '"""Write', 'print("edited")\n    """Write')
    try:
        return _told(project, "small@1", "split", "code")
    finally:
        archive.write_bytes(kept)


def _other_library(place: small.Place, project: Project) -> bool:
    site = place.folder / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), OTHER_PACKAGE]
    subprocess.run(install, check=True)
    path = os.pathsep.join([project.environment["PYTHONPATH"], str(site)])
    return _told(
        Project(project.root, {**project.environment, "PYTHONPATH": path}), "small@1", "annotate", "environment"
    )


if __name__ == "__main__":
    sys.exit(main())
