"""Several training processes, started by one word of the recipe, learn as one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from image_records import CLASSES, bars
from safetensors.numpy import load_file

from tasks import storage
from tasks.paths import Paths

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


def project(root: Path, processes: int) -> Paths:
    """A project with a split of tiny images and a recipe that trains in so many processes."""
    paths = Paths(root, "digits")
    (root / "recipes").mkdir(parents=True)
    (root / "dvc.yaml").write_text("stages: {}\n")
    shutil.copytree(ROOT / "tasks", root / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    content = yaml.safe_load((ROOT / "recipes/digits.yaml").read_text())
    content["labels"] |= {"classes": list(CLASSES), "sources": []}
    content["train"] |= {"images": {"size": 12, "mode": "grey", "width": 4}, "epochs": 2, "batch_size": 24}
    content["train"] |= {"processes": processes, "precision": "fp32"}
    (root / "recipes/digits.yaml").write_text(yaml.safe_dump(content))
    for part, rows, seed in (("train", 96, 1), ("validation", 32, 2)):
        storage.write_table(paths.stage("split") / f"{part}.parquet", bars(rows, seed))
    storage.write_json(paths.base_model / "manifest.json", {"files": {}, "sources": []})
    storage.write_json(paths.fingerprints / "train.json", {})
    return paths


def trained(paths: Paths) -> dict[str, np.ndarray]:
    environment = {**os.environ, "TIDEMILL_HOME": str(paths.root / "home"), "PYTHONPATH": str(paths.root)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-m", "tasks", "train", "digits"]
    done = subprocess.run(command, cwd=paths.root, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("training on: ") == 1
    return dict(load_file(paths.stage("train") / "model.safetensors"))


def test_two_processes_learn_together_the_same_bits_each_time(tmp_path: Path) -> None:
    one, again = (trained(project(tmp_path / name, 2)) for name in ("one", "again"))
    assert all((one[name] == again[name]).all() for name in one)
    alone = trained(project(tmp_path / "alone", 1))
    losses = [
        storage.read_json(Paths(tmp_path / name, "digits").stage("train") / "history.json")["best_loss"]
        for name in ("one", "alone")
    ]
    assert one.keys() == alone.keys()
    # Not the same bits: each process normalises by its own half of a batch.
    assert losses[0] == pytest.approx(losses[1], rel=0.5)
