"""Export the trained model to ONNX, make an int8 one of it, and decide which is served."""

import importlib
import warnings
from types import ModuleType
from typing import Any

import pandas as pd

from tasks import inference, storage
from tasks.errors import PromiseError
from tasks.paths import Paths
from tasks.progress import progress
from tasks.recipe import Recipe
from tasks.records import CONTENT_COLUMN

FP32, INT8 = "model.onnx", "model.int8.onnx"


def served(scores: dict[str, float], most_lost: float) -> str:
    """The file to serve: int8 if there is one and it loses no more of the score than allowed, else fp32."""
    if INT8 in scores and scores[FP32] - scores[INT8] <= most_lost:
        return INT8
    return FP32


def card(scores: dict[str, float], sizes: dict[str, int], chosen: str, metric: str) -> str:
    """Size and quality before and after, as markdown."""
    lines = [f"| model | size | of fp32 | {metric} (validation) | served |", "|---|---:|---:|---:|:--:|"]
    for file, size in sizes.items():
        share = f"{size / sizes[FP32]:.1%}"
        lines.append(
            f"| {file} | {size / 1e6:.1f} MB | {share} | {scores[file]:.4f} | {'yes' if file == chosen else ''} |"
        )
    return "\n".join(lines) + "\n"


def run(recipe: Recipe, paths: Paths) -> None:
    """Leave model.onnx, model.int8.onnx (if asked for), model.json, what the kind reads beside them, and card.md."""
    folder, trained = paths.stage("compress"), paths.stage("train")
    kind = importlib.import_module(f"tasks.compress.{recipe.kind}")
    records = _validation(recipe, paths)
    described = {"classes": list(recipe.labels.classes), "kind": recipe.kind, **kind.describe(recipe, trained)}
    with storage.atomic(folder / FP32) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter's own deprecation and its notes on shapes
        kind.export(trained, temporary)
    if recipe.compress.int8:
        with storage.atomic(folder / INT8) as temporary:
            kind.quantise(folder / FP32, temporary, records, described)
    for name in inference.files_beside(recipe.kind):
        storage.write_bytes(folder / name, (trained / name).read_bytes())
    storage.write_json(folder / inference.DESCRIPTION, described)
    files = [FP32, INT8] if recipe.compress.int8 else [FP32]
    scores = {file: _score(kind, recipe, paths, file, records) for file in files}
    sizes = {file: (folder / file).stat().st_size for file in files}
    chosen = served(scores, recipe.compress.max_f1_loss)
    if recipe.compress.int8 and chosen == FP32:
        print(
            f"int8 loses {scores[FP32] - scores[INT8]:.4f} of {kind.METRIC_NAME}, more than allowed: fp32 is served",
            flush=True,
        )
    figures: dict[str, Any] = {"served": chosen, "sizes": sizes, kind.METRIC: scores}
    storage.write_json(folder / inference.DESCRIPTION, {**described, **figures})
    storage.write_text(folder / "card.md", card(scores, sizes, chosen, kind.METRIC_NAME))


def _validation(recipe: Recipe, paths: Paths) -> pd.DataFrame:
    """Contents and labels of the validation records."""
    path = paths.stage("split") / "validation.parquet"
    records = storage.read_table(path, columns=[CONTENT_COLUMN[recipe.kind], "label"])
    if records.empty:
        raise PromiseError(f"{path}: has no rows; raise split.validation")
    return records


def _score(kind: ModuleType, recipe: Recipe, paths: Paths, file: str, records: pd.DataFrame) -> float:
    """The kind's score of the file on the records, six digits."""
    model = inference.load(paths.stage("compress"), file, recipe.threads)
    with progress(f"checking {file}", len(records)) as report:
        return round(float(kind.score(model, records, recipe, report)), 6)
