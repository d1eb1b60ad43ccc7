"""Register the present outputs as a version, once, and decide whether it becomes the champion."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from tasks import dvc_repo, storage, tracking
from tasks.errors import TidemillError
from tasks.fingerprint.run import run as write_fingerprints
from tasks.markdown import table
from tasks.paths import STAGES, Paths
from tasks.recipe import Recipe
from tasks.release.bundle import bundle
from tasks.release.federation import federated_words
from tasks.release.lineage import lineage
from tasks.release.model_card import base_model
from tasks.release.promotion import alias, settled
from tasks.release.verdict import Verdict, lines, markdown


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


def card(recipe: Recipe, version: tracking.Version, verdict: Verdict, metrics: dict[str, Any]) -> str:
    """The release as markdown."""
    rows = [
        (who, *(f"{values[name]['estimate']:.4f}" for name in ("weighted_f1", "macro_f1", "accuracy")))
        for who, values in metrics["overall"].items()
    ]
    parts = [
        f"{recipe.name}@{version.number} is the **{alias(verdict)}**: {verdict.reason}.",
        markdown(verdict).strip(),
        table(["", "weighted F1", "macro F1", "accuracy"], rows),
    ]
    return "\n\n".join(filter(None, parts))


def run(recipe: Recipe, paths: Paths) -> None:
    """Register, judge, set the alias, and leave outcome.json and card.md in `paths.release`."""
    if tracking.uri() is None:
        raise TidemillError("MLFLOW_TRACKING_URI is not set; `tidemill run` sets it, or start MLflow: tidemill up")
    # What is archived has to be what ran: code that was edited since makes its stage stale.
    write_fingerprints(recipe, paths)
    plan = dvc_repo.plan(paths.root, recipe.name)
    stale = [state.address for state in plan if state.stale and state.stage in STAGES]
    if stale:
        raise TidemillError(f"{stale[0]} is not up to date; run: tidemill run {recipe.name}")
    descent = lineage(recipe.name, paths)
    metrics = storage.read_json(paths.stage("evaluate") / "metrics.json")
    version = _registered(recipe, paths, descent, metrics)
    verdict = settled(recipe, paths, version, str(descent["id"]))
    outcome = {
        "version": version.number,
        "alias": alias(verdict),
        "verdict": verdict.reason,
        "checks": [asdict(check) for check in verdict.checks],
        "lineage": descent["id"],
        "url": tracking.run_url(version.run_id, recipe.name),
    }
    storage.write_json(paths.release / "outcome.json", outcome)
    storage.write_text(paths.release / "card.md", card(recipe, version, verdict, metrics))
    print("\n".join(lines(verdict)))
    print(f"{recipe.name}@{version.number} is the {alias(verdict)}: {verdict.reason}", flush=True)


def _registered(recipe: Recipe, paths: Paths, descent: dict[str, Any], metrics: dict[str, Any]) -> tracking.Version:
    """The version with this lineage: the one that is there and can be made again, or a new one."""
    versions = [version for version in tracking.versions(recipe.name) if not version.gone]
    known = [version for version in versions if version.tags.get(tracking.LINEAGE_TAG) == descent["id"]]
    if known:
        return known[0]
    with storage.scratch() as folder:
        bundle(recipe, paths, descent, folder / "model")
        release = tracking.Release(
            model=recipe.name,
            title=recipe.title,
            description=(folder / "model" / "model_card.md").read_text(encoding="utf-8"),
            files=folder / "model",
            parameters={
                "seed": str(recipe.seed),
                "base_model": base_model(recipe),
                "kind": recipe.kind,
                **federated_words(paths),
            },
            figures=figures(metrics),
            tags={tracking.LINEAGE_TAG: str(descent["id"]), **federated_words(paths)},
        )
        return tracking.register(release)
