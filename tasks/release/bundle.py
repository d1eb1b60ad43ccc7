"""The folder that becomes a version's artifacts in MLflow."""

import shutil
from pathlib import Path
from typing import Any

from tasks import storage
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.registered import SEEN
from tasks.release import probes
from tasks.release.model_card import model_card
from tasks.release.rows import seen_records
from tasks.release.source import archive

COPIED = {
    "train": ("model.safetensors", "config.json"),  # what another recipe can start from
    "compress": ("model.onnx", "model.int8.onnx", "tokenizer.json", "model.json"),
    "evaluate": ("metrics.json", "predictions.parquet", "reference.parquet", "report.html"),
}


def bundle(recipe: Recipe, paths: Paths, lineage: dict[str, Any], folder: Path) -> None:
    """Fill `folder` with the models, their evaluation, what it has seen, the card, the lineage and the source to make it again."""
    folder.mkdir(parents=True, exist_ok=True)
    for stage, names in COPIED.items():
        for name in names:
            file = paths.stage(stage) / name
            if file.is_file():
                shutil.copy2(file, folder / name)
    measured = paths.measurement(storage.sha256_file(paths.stage("compress") / "model.onnx"))
    latency = storage.read_json(measured) if measured.is_file() else None
    metrics = storage.read_json(paths.stage("evaluate") / "metrics.json")
    storage.write_table(folder / SEEN, seen_records(paths))
    storage.write_text(folder / "model_card.md", model_card(recipe, metrics, lineage, latency))
    probes.write(recipe, paths, folder)
    storage.write_json(folder / "lineage.json", lineage)
    storage.write_bytes(folder / "source.tar.gz", archive(paths.root, recipe.name))
