"""Judge the traffic since the last verdict, and keep the verdict where the next one and people find it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks import ledger, storage, tracking
from tasks.errors import TidemillError
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.watch import accuracy, alarm, alerts, energy, tables, telling, words
from tasks.watch.tables import Dataset
from tasks.watch.verdict import EMBEDDING, Rule, Verdict, verdict
from tasks.watch.window import STAMP, Window, last_end, window

UNFAMILIAR = 0.25
"""Share of the window whose words are looked at."""


def run(recipe: Recipe, paths: Paths) -> None:
    """Write <home>/watch/<recipe>/<until>.json, outcome.json, card.md and report.html; nothing when too little came.

    Raises TidemillError when nothing was released yet, ServerError when MLflow does not answer.
    """
    if tracking.uri() is None:
        raise TidemillError("MLFLOW_TRACKING_URI is not set; `tidemill watch` sets it, or start MLflow: tidemill up")
    champion = tracking.champion(recipe.name)
    if champion is None:
        raise TidemillError(
            f"{recipe.name}: has no champion whose traffic could be watched; run: tidemill run {recipe.name}"
        )
    found = window(paths.traffic, champion.number, last_end(verdicts(paths)))
    rows = found.rows.count_rows() if found else 0
    if found is None or rows < recipe.drift.window_rows:
        missing = f"{rows:,} answers of {recipe.name}@{champion.number} since the last verdict"
        print(f"no verdict: {missing}; a window needs {recipe.drift.window_rows:,} (drift.window_rows)", flush=True)
        return
    before = reference(champion)
    outcome = judged(recipe, before, found, champion.number, texts(paths))
    show(paths, before, found.rows, outcome)
    keep(paths, outcome)
    print("\n".join([telling.headline(outcome), *map(telling.alert, outcome["alerts"])]), flush=True)


def verdicts(paths: Paths) -> list[Path]:
    """The files of all verdicts, oldest first."""
    return sorted((paths.watch / "verdicts").glob("*.json"))


def reference(champion: tracking.Version) -> pd.DataFrame:
    """The champion's reference window, fetched anew: a copy kept here would outlive a record that is forgotten."""
    with storage.scratch() as folder:
        return storage.read_table(tracking.download(champion, "reference.parquet", folder))


def texts(paths: Paths) -> pd.DataFrame:
    """Texts by record_id, as far as this project has them (images are none)."""
    file = paths.stage("prepare") / "records.parquet"
    known = storage.read_table(file) if file.is_file() else pd.DataFrame()
    return known.reindex(columns=["record_id", "text"]).astype("str")


def judged(recipe: Recipe, before: pd.DataFrame, found: Window, version: int, known: pd.DataFrame) -> dict[str, Any]:
    """The verdict, the words that moved, the accuracy that is estimated and the alerts, as JSON values."""
    settings = recipe.drift
    level = alarm.level(settings.false_alarms_per_month, found.days)
    said = verdict(tables.of_table(before), found.rows, Rule(level, settings.smallest_effect, recipe.seed))
    return {
        "recipe": recipe.name,
        "version": version,
        "since": found.since.isoformat(),
        "until": found.until.isoformat(),
        "rows": found.rows.count_rows(),
        "reference_rows": len(before),
        "false_alarms_per_month": settings.false_alarms_per_month,
        **_plain(said),
        "words": [asdict(each) for each in moved_words(said, before, found.rows, known)],
        **_estimated(before, found.rows),
        "alerts": [asdict(each) for each in alerts.raised(recipe.alerts, found.rows)],
    }


def _plain(said: Verdict) -> dict[str, Any]:
    return {
        "alarm": said.alarm,
        "level": said.rule.level,
        "smallest_effect": said.rule.smallest_effect,
        "findings": [asdict(each) for each in said.judged],
        "moves": [asdict(each) for each in said.moves],
    }


def moved_words(said: Verdict, before: pd.DataFrame, rows: Dataset, known: pd.DataFrame) -> list[words.Moved]:
    """The words that moved, when there is an alarm and both sides' texts are at hand."""
    if not said.alarm or "text" not in rows.schema.names:
        return []
    old = known.loc[known["record_id"].isin(before["record_id"]), "text"].tolist()
    return words.moved(old, unfamiliar_texts(before, rows, np.random.default_rng(said.rule.seed)))


def unfamiliar_texts(before: pd.DataFrame, rows: Dataset, rng: np.random.Generator) -> list[str]:
    """The quarter of the window's texts that is least like the reference; all of them without embeddings.

    What is new is often a small part of a window, and its words are lost among the others.
    """
    both = [column for column in ("text", EMBEDDING) if column in rows.schema.names]
    positions = tables.drawn(rows.count_rows(), energy.MOST_ROWS, rng)
    window = tables.rows_at(rows, both, positions).to_pandas().dropna()
    if EMBEDDING not in before or EMBEDDING not in window or window.empty:
        return [str(text) for text in window["text"]]
    known, new = (np.stack(table[EMBEDDING].to_list()) for table in (before.head(energy.MOST_ROWS), window))
    scores = energy.strangeness(energy.distances(known, new))
    return [str(text) for text in window["text"].to_numpy()[scores >= np.quantile(scores, 1 - UNFAMILIAR)]]


def _estimated(before: pd.DataFrame, rows: Dataset) -> dict[str, Any]:
    """The accuracy that the window's confidence speaks of; nothing for a reference that does not say who was right."""
    if "right" not in before:
        return {"accuracy": None, "sentences": []}
    confidence = np.concatenate([batch.column(0).to_numpy() for batch in tables.batches(rows, ["confidence"])])
    found = accuracy.estimate(before, confidence)
    return {"accuracy": asdict(found), "sentences": [accuracy.told(found)]}


def show(paths: Paths, before: pd.DataFrame, rows: Dataset, outcome: dict[str, Any]) -> None:
    """Write report.html and add the report to the workspace that all recipes share."""
    from tasks.watch import evidently_page

    columns = [each["name"] for each in outcome["findings"] if each["name"] != EMBEDDING]
    positions = tables.drawn(rows.count_rows(), evidently_page.MOST_ROWS, np.random.default_rng(0))
    window = tables.rows_at(rows, columns, positions).to_pandas()
    numbers = [name for name in columns if pd.api.types.is_numeric_dtype(window[name])]
    names = [name for name in columns if name not in numbers]
    sides = evidently_page.Sides(before[columns], window, numbers, names)
    evidently_page.write(sides, outcome, paths.watch / "report.html", paths.drift_workspace)


def keep(paths: Paths, outcome: dict[str, Any]) -> None:
    """Write the verdict for people, then into the ledger when it is an alarm, and last as what the next one follows."""
    storage.write_text(paths.watch / "card.md", telling.card(outcome))
    storage.write_json(paths.watch / "outcome.json", outcome)
    if outcome["alarm"] and not _noted(paths, outcome):
        evidence = {"reason": telling.headline(outcome), **{key: outcome[key] for key in ("since", "until", "level")}}
        findings = [each for each in outcome["findings"] if each["alarm"]]
        ledger.append(paths.home, paths.recipe, "drift", outcome["version"], {**evidence, "findings": findings})
    until = pd.Timestamp(outcome["until"]).strftime(STAMP)
    storage.write_json(paths.watch / "verdicts" / f"{until}.json", outcome)


def _noted(paths: Paths, outcome: dict[str, Any]) -> bool:
    """Whether a run that was killed in between has written this alarm into the ledger."""
    same = (entry.evidence.get("until") == outcome["until"] for entry in ledger.entries(paths.home, paths.recipe))
    return any(same)
