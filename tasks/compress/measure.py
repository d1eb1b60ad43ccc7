"""Latency of the compressed models on this machine: alternating rounds, so that both meet the same noise.

A measurement belongs to a model file and a machine. It is no stage output: nobody could rebuild it bit for bit.
"""

import platform
import statistics
import time
from pathlib import Path
from typing import Any

from tasks import inference, storage
from tasks.paths import Paths
from tasks.progress import progress
from tasks.recipe import Recipe
from tasks.records import CONTENT_COLUMN

ROUNDS, CONTENTS = 7, 128


def measurement_file(paths: Paths) -> Path:
    """Where the figures of the present compressed models on this machine lie."""
    return paths.measurement(storage.sha256_file(paths.stage("compress") / "model.onnx"))


def measured(paths: Paths) -> bool:
    """Whether the present compressed models were measured on this machine."""
    return (paths.stage("compress") / "model.onnx").is_file() and measurement_file(paths).is_file()


def timings(models: dict[str, inference.Model], contents: list[Any]) -> dict[str, dict[str, list[float]]]:
    """Milliseconds a content (a text, an image) of each model, one value a round: one by one (`single_ms`) and batched (`batched_ms`)."""
    found: dict[str, dict[str, list[float]]] = {file: {"single_ms": [], "batched_ms": []} for file in models}
    with progress("measuring latency", ROUNDS * len(models)) as report:
        for round_number in range(ROUNDS + 1):
            for file, model in models.items():
                single = _milliseconds(model, [[content] for content in contents[::4]])
                batched = _milliseconds(model, [contents])
                if round_number:  # the first round warms up
                    found[file]["single_ms"].append(single / len(contents[::4]))
                    found[file]["batched_ms"].append(batched / len(contents))
                    report((round_number - 1) * len(models) + 1)
    return found


def _milliseconds(model: inference.Model, requests: list[list[Any]]) -> float:
    start = time.perf_counter()
    for contents in requests:
        model.probabilities(contents)
    return 1000 * (time.perf_counter() - start)


def summary(found: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """Median latency of each model, and the speed-up over fp32 round by round: minimum, median, maximum."""
    medians = {file: {name: statistics.median(rounds) for name, rounds in by.items()} for file, by in found.items()}
    speedups = {
        file: {
            name.removesuffix("_ms"): _spread([a / b for a, b in zip(found["model.onnx"][name], rounds, strict=True)])
            for name, rounds in by.items()
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
