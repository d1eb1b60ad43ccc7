"""Latency of the compressed models on this machine.

A measurement belongs to a model file and a machine. It is no stage output: nobody could rebuild it bit for bit.
"""

import platform
import statistics
from pathlib import Path
from typing import Any

from tasks import inference, storage
from tasks.latency import CONTENTS, ROUNDS, Timings, ratios, timings
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.records import CONTENT_COLUMN


def measurement_file(paths: Paths) -> Path:
    """Where the figures of the present compressed models on this machine lie."""
    return paths.measurement(storage.sha256_file(paths.stage("compress") / "model.onnx"))


def measured(paths: Paths) -> bool:
    """Whether the present compressed models were measured on this machine."""
    return (paths.stage("compress") / "model.onnx").is_file() and measurement_file(paths).is_file()


def summary(found: Timings) -> dict[str, Any]:
    """Median latency of each model, and the speed-up over fp32 round by round: minimum, median, maximum."""
    medians = {file: {name: statistics.median(rounds) for name, rounds in by.items()} for file, by in found.items()}
    speedups = {
        file: {
            name.removesuffix("_ms"): _spread(ratios(found["model.onnx"][name], rounds)) for name, rounds in by.items()
        }
        for file, by in found.items()
        if file != "model.onnx"
    }
    return {"median": medians, "speedup": speedups, "rounds": ROUNDS, "contents": CONTENTS}


def _spread(values: list[float]) -> dict[str, float]:
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def lines(figures: dict[str, Any]) -> list[str]:
    """The figures as lines a person reads."""
    told = [
        f"{file}: {by['single_ms']:.2f} ms each, one by one, {by['batched_ms']:.2f} ms batched"
        for file, by in figures["median"].items()
    ]
    for file, by in figures["speedup"].items():
        told += [f"{file}: {by[n]['median']:.2f} times fp32 {n} ({by[n]['min']:.2f} to {by[n]['max']:.2f})" for n in by]
    return told


def run(recipe: Recipe, paths: Paths) -> None:
    """Measure every ONNX file of the compress stage on validation records and keep the figures."""
    folder = paths.stage("compress")
    files = sorted(file.name for file in folder.glob("*.onnx"))
    models = {file: inference.load(folder, file, recipe.threads) for file in files}
    column = CONTENT_COLUMN[recipe.kind]
    records = storage.read_table(paths.stage("split") / "validation.parquet", columns=[column])
    figures = summary(timings(models, records[column].head(CONTENTS).tolist()))
    storage.write_json(measurement_file(paths), {**figures, "machine": platform.processor() or platform.machine()})
    print("\n".join(lines(figures)), flush=True)
