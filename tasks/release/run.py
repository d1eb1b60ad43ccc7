"""Register the present outputs as a version, once, and decide whether it becomes the champion."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks import dvc_repo, inference, storage, tracking
from tasks.errors import TidemillError
from tasks.markdown import table
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.records import CONTENT_COLUMN
from tasks.release.bundle import bundle
from tasks.release.lineage import lineage
from tasks.release.model_card import base_model
from tasks.release.verdict import Verdict, compared, first_version


def figures(metrics: dict[str, Any]) -> dict[str, float]:
    """The metrics as flat names for MLflow's columns: overall ones, and each domain's weighted F1."""
    return dict(_flat(metrics))


def _flat(metrics: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for who, values in metrics["overall"].items():
        yield from ((f"{who}.{name}", value["estimate"]) for name, value in values.items())
    for name, values in metrics["slices"]["domain"].items():
        yield f"domain.{_safe(name)}.weighted_f1", values["model"]["weighted_f1"]["estimate"]


def _safe(name: str) -> str:
    """The name with only the characters that MLflow takes."""
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in name)


def judged(recipe: Recipe, paths: Paths, champion: tracking.Version | None) -> Verdict:
    """The verdict on the present outputs; the champion answers the same test rows with its own model."""
    if champion is None:
        return first_version()
    with tempfile.TemporaryDirectory() as folder:
        model = _fetched(champion, Path(folder), recipe)
        column = CONTENT_COLUMN[recipe.kind]
        test = storage.read_table(paths.stage("split") / "test.parquet", columns=["record_id", column, "label"])
        answers = storage.read_table(paths.stage("evaluate") / "predictions.parquet", ["record_id", "predicted"])
        rows = test.merge(answers, on="record_id", validate="one_to_one")
        theirs = [model.classes[index] for index in model.probabilities(rows[column].tolist()).argmax(1)]
        codes = [_codes(recipe, column) for column in (rows["label"], rows["predicted"], theirs)]
        return compared(codes[0], codes[1], codes[2], recipe.gate, champion.number)


def _codes(recipe: Recipe, names: Iterable[str]) -> NDArray[np.int64]:
    """Class names as positions in the recipe's classes."""
    return np.array([recipe.labels.classes.index(name) for name in names], dtype=np.int64)


def _fetched(version: tracking.Version, folder: Path, recipe: Recipe) -> inference.Model:
    """A registered version's served model."""
    description_file = tracking.download(version, "model.json", folder)
    served = str(storage.read_json(description_file)["served"])
    for file in (*inference.files_beside(recipe.kind), served):
        tracking.download(version, file, folder)
    return inference.load(description_file.parent, served, recipe.threads)


def card(recipe: Recipe, version: tracking.Version, verdict: Verdict, metrics: dict[str, Any]) -> str:
    """The release as markdown."""
    alias = tracking.CHAMPION if verdict.promoted else tracking.CHALLENGER
    rows = [
        (who, *(f"{values[name]['estimate']:.4f}" for name in ("weighted_f1", "macro_f1", "accuracy")))
        for who, values in metrics["overall"].items()
    ]
    return f"{recipe.name}@{version.number} is the **{alias}**: {verdict.reason}.\n\n" + table(
        ["", "weighted F1", "macro F1", "accuracy"], rows
    )


def run(recipe: Recipe, paths: Paths) -> None:
    """Register, judge, set the alias, and leave outcome.json and card.md in `paths.release`."""
    if tracking.uri() is None:
        raise TidemillError("MLFLOW_TRACKING_URI is not set; `tidemill run` sets it, or start MLflow: tidemill up")
    stale = [state.address for state in dvc_repo.plan(paths.root, recipe.name) if state.stale]
    if stale:
        raise TidemillError(f"{stale[0]} is not up to date; run: tidemill run {recipe.name}")
    descent = lineage(recipe.name, paths)
    metrics = storage.read_json(paths.stage("evaluate") / "metrics.json")
    version = _registered(recipe, paths, descent, metrics)
    verdict = _remembered(version) or judged(recipe, paths, tracking.champion(recipe.name))
    alias = tracking.CHAMPION if verdict.promoted else tracking.CHALLENGER
    # Decided, then done, then said to be done: a run that is cut off in between is taken up where it was.
    tracking.tag_version(recipe.name, version.number, {"verdict": alias, "reason": verdict.reason})
    tracking.set_alias(recipe.name, alias, version.number)
    tracking.tag_version(recipe.name, version.number, {tracking.RELEASED_TAG: "true"})
    outcome = {
        "version": version.number,
        "alias": alias,
        "verdict": verdict.reason,
        "lineage": descent["id"],
        "url": tracking.run_url(version.run_id, recipe.name),
    }
    storage.write_json(paths.release / "outcome.json", outcome)
    storage.write_text(paths.release / "card.md", card(recipe, version, verdict, metrics))
    print(f"{recipe.name}@{version.number} is the {alias}: {verdict.reason}", flush=True)


def _registered(recipe: Recipe, paths: Paths, descent: dict[str, Any], metrics: dict[str, Any]) -> tracking.Version:
    """The version with this lineage: the one that is there, or a new one."""
    known = [v for v in tracking.versions(recipe.name) if v.tags.get(tracking.LINEAGE_TAG) == descent["id"]]
    if known:
        return known[0]
    with tempfile.TemporaryDirectory() as folder:
        bundle(recipe, paths, descent, Path(folder) / "model")
        release = tracking.Release(
            model=recipe.name,
            title=recipe.title,
            description=(Path(folder) / "model" / "model_card.md").read_text(encoding="utf-8"),
            files=Path(folder) / "model",
            parameters={"seed": str(recipe.seed), "base_model": base_model(recipe), "kind": recipe.kind},
            figures=figures(metrics),
            tags={tracking.LINEAGE_TAG: str(descent["id"])},
        )
        return tracking.register(release)


def _remembered(version: tracking.Version) -> Verdict | None:
    """The verdict that an earlier, interrupted release of this version came to, if it got that far."""
    if "verdict" not in version.tags:
        return None
    return Verdict(version.tags["verdict"] == tracking.CHAMPION, version.tags["reason"])
