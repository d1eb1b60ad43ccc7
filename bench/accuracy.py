"""How good a recipe's model becomes on its test set, and how long each stage takes, in a project of its own.

    python bench/accuracy.py fashion [--files FOLDER] [--threads 1] [--epochs 6]
    python bench/accuracy.py feedback --tables train.csv test.csv --columns text category
    python bench/accuracy.py cifar10 --tables train.parquet test.parquet --columns image label

`--tables` keeps the recipe's knobs and takes the contents and labels (`--columns`) of a training and a test table instead
of its sources. `--files` takes each source from a folder that has it under the last part of its URL, whatever its sha256 (Debian packs
Fashion-MNIST's files anew: --files /usr/share/datasets/fashion-mnist). No server is needed.
"""

import argparse
import importlib
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from tasks import storage
from tasks.fingerprint.sections import view
from tasks.paths import STAGES, Paths, project_root
from tasks.recipe import Recipe
from tasks.records import CONTENT_COLUMN

PARTS = ("train", "test")


def project(root: Path, into: Path) -> None:
    """A copy of the code, the suites and the recipes, with a DVC repository of its own."""
    for folder in ("tasks", "expectations", "recipes"):
        shutil.copytree(root / folder, into / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "dvc.yaml", into)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=into, check=True)
    settings = "[core]\n    analytics = false\n    no_scm = True\n['remote \"local\"']\n    url = ../remote\n"
    (into / ".dvc" / "config").write_text(settings)


def asked_recipe(root: Path, asked: argparse.Namespace) -> Recipe:
    """The recipe with what the command line changes."""
    content: dict[str, Any] = yaml.safe_load((root / "recipes" / f"{asked.recipe}.yaml").read_text())
    if asked.files:
        for source in (*content["sources"], *content["labels"]["sources"]):
            source["url"] = f"file:{asked.files.resolve() / source['url'].rpartition('/')[2]}"
            source.pop("sha256", None)
    if asked.tables:
        content |= on_tables(content, asked.tables, *asked.columns)
    if asked.threads:
        content["threads"] = asked.threads
    if asked.epochs:
        content["train"]["epochs"] = asked.epochs
    return Recipe.model_validate(content)


def on_tables(content: dict[str, Any], tables: list[Path], column: str, label: str) -> dict[str, Any]:
    """The sections of the recipe that take contents and labels from a training and a test table."""
    frames = [pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file) for file in tables]
    kind = CONTENT_COLUMN[content["kind"]]
    sources = [
        {"name": part, "url": f"file:{file.resolve()}", "columns": {kind: column}}
        for part, file in zip(PARTS, tables, strict=True)
    ]
    labels = [{**source, "columns": {kind: column, "label": label}} for source in sources]
    of = [{**source, "name": f"{source['name']}_labels"} for source in labels]
    classes = sorted(set(frames[0][label].astype(str)))
    return {
        "sources": sources,
        "labels": {"classes": classes, "consensus": "majority", "sources": of},
        "split": {**content.get("split", {}), "by": "source", "test_sources": [PARTS[1]], "test": 0.2},
        "validate": {**content["validate"], "labels": "class_labels"},
        "evaluate": {**content.get("evaluate", {}), "baselines": ["majority"]},
    }


def main() -> None:
    """Run every stage and print its seconds, then the model's and the baselines' accuracy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--files", type=Path)
    parser.add_argument("--tables", type=Path, nargs=2, metavar=("TRAIN", "TEST"))
    parser.add_argument("--columns", nargs=2, metavar=("CONTENT", "LABEL"))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--epochs", type=float)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        root.mkdir()
        project(project_root(), root)
        recipe, paths = asked_recipe(root, asked), Paths(root, asked.recipe)
        for stage in ("collect", "fingerprint", *STAGES):
            wall, cpu = time.perf_counter(), time.process_time()
            run = importlib.import_module(f"tasks.{stage}.run").run
            run(view(recipe, stage) if stage in STAGES else recipe, paths)
            told = (time.perf_counter() - wall, time.process_time() - cpu)
            print(f"{stage:12} {told[0]:8.1f} s, {told[1]:8.1f} s of CPU", flush=True)
        figures = storage.read_json(paths.stage("evaluate") / "metrics.json")
        for name, values in figures["overall"].items():
            mark = values["accuracy"]
            print(f"{name:12} accuracy {mark['estimate']:.4f} ({mark['low']:.4f} to {mark['high']:.4f})")
        print(f"on {figures['rows']:,} test rows")


if __name__ == "__main__":
    main()
