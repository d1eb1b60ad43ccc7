"""Labels needed for 95 % of the full-data score: each strategy against random, five seeds, on real data.

    python bench/active_learning.py --feedback data/feedback --banking77 FOLDER --cache FOLDER

A frozen MiniLM gives the vectors, a logistic regression is the model that is trained anew after each round. Feedback is
measured on each domain and on all of them (weighted F1 on the domain's test rows), BANKING77 by accuracy. Every strategy
begins with the same random round; `default round` is what `tidemill label` does: a first round by `diverse`, later ones by
`uncertain_diverse`, a fifth of each by lot.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from tasks.label.classify_text import of_texts
from tasks.label.strategies import STRATEGIES, Candidates
from tasks.markdown import table
from tasks.metrics.classes import accuracy, weighted_f1
from tasks.records import record_id

SEEDS = range(5)
THREADS = 1
TARGET = 0.95
RANDOM_SHARE = 0.2
CANDIDATES = 5000
"""As `label.candidates` is by default; rows stand in the order of their record_id, a hash, so the first are a fair sample."""
DEFAULT = "default round"
COMPARED = ("random", "uncertain_diverse", DEFAULT, "uncertain", "diverse")


@dataclass(frozen=True)
class Task:
    """Vectors and class numbers to learn from and to be tested on, in rounds of `step` labels.

    At most `rounds` of them; a curve ends when it has reached the goal and holds the `shown` first rounds.
    """

    name: str
    train: np.ndarray
    labels: np.ndarray
    test: np.ndarray
    truth: np.ndarray
    step: int
    rounds: int
    shown: int

    def score(self, model: LogisticRegression) -> float:
        """Weighted F1, or accuracy where classes are as many as intents."""
        predicted = model.predict(self.test)
        n_classes = int(self.labels.max()) + 1
        return accuracy(self.truth, predicted) if n_classes > 3 else weighted_f1(self.truth, predicted, n_classes)


def fitted(vectors: np.ndarray, labels: np.ndarray) -> LogisticRegression:
    """The model: one and the same everywhere."""
    return LogisticRegression(C=10.0, max_iter=300).fit(vectors, labels)


def curve(task: Task, strategy: str, seed: int, goal: float) -> list[tuple[int, float]]:
    """Labels and score after each round; the first round is random, the same by seed (diverse in a default round)."""
    labelled = np.random.default_rng([seed, 0]).permutation(len(task.labels))[: task.step]
    rng = np.random.default_rng([seed, 1])
    if strategy == DEFAULT:
        labelled = next_round(task, strategy, labelled[:0], None, rng)
    points: list[tuple[int, float]] = []
    while True:
        model = fitted(task.train[labelled], task.labels[labelled])
        points.append((len(labelled), task.score(model)))
        reached = max(score for _, score in points) >= goal and len(points) >= task.shown
        if reached or len(points) == task.rounds:
            return points
        labelled = np.concatenate([labelled, next_round(task, strategy, labelled, model, rng)])


def next_round(
    task: Task, strategy: str, labelled: np.ndarray, model: LogisticRegression | None, rng: np.random.Generator
) -> np.ndarray:
    """The pool rows that are labelled next."""
    pool = np.setdiff1d(np.arange(len(task.labels)), labelled)
    lot = rng.permutation(pool)[: round(task.step * RANDOM_SHARE) if strategy == DEFAULT else 0]
    rest = np.setdiff1d(pool, lot)[:CANDIDATES]
    name = ("uncertain_diverse" if model is not None else "diverse") if strategy == DEFAULT else strategy
    known = labelled[:2000]
    candidates = Candidates(
        len(rest),
        lambda rows: task.train[rest[rows]],
        model.predict_proba(task.train[rest]) if model is not None else None,
        lambda: (task.train[known], task.labels[known]),
    )
    return np.concatenate([lot, rest[STRATEGIES[name](candidates, task.step - len(lot), rng)]])


def needed(points: list[tuple[int, float]], goal: float) -> tuple[float, bool]:
    """Labels at which the curve first reaches the goal, between two points by the straight line, and True.

    The labels of its end and False when it never does.
    """
    before, low = 0, 0.0
    for after, high in points:
        if high >= goal:
            return (before + (after - before) * (goal - low) / (high - low) if before else after), True
        before, low = after, high
    return before, False


def embedded(texts: list[str], model: Path, file: Path) -> np.ndarray:
    """Vectors of the texts, kept in a file."""
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, of_texts(texts, model, 128, THREADS))
    return np.load(file)


def feedback_tasks(folder: Path, cache: Path, domains: list[str]) -> list[Task]:
    """The recipe's own split, on each of these domains (`all`: on all together)."""
    parts = {name: pd.read_parquet(folder / "split" / f"{name}.parquet") for name in ("train", "test")}
    if "all" not in domains:
        parts = {name: rows[rows["domain"].isin(domains)].reset_index(drop=True) for name, rows in parts.items()}
        cache = cache / "-".join(sorted(domains))
    vectors = {n: embedded(t["text"].tolist(), folder / "base_model", cache / f"{n}.npy") for n, t in parts.items()}
    classes = sorted(parts["train"]["label"].unique())
    found = []
    for domain in domains:
        rows = {n: (t["domain"] == domain).to_numpy() | (domain == "all") for n, t in parts.items()}
        codes = {n: pd.Index(classes).get_indexer(pd.Index(parts[n].loc[rows[n], "label"])) for n in parts}
        train, test = (vectors[name][rows[name]] for name in ("train", "test"))
        found.append(Task(domain, train, codes["train"], test, codes["test"], step=25, rounds=100, shown=24))
    return found


def banking_task(folder: Path, model: Path, cache: Path) -> Task:
    """BANKING77, test texts that stand in train left out."""
    train, test = pd.read_csv(folder / "train.csv"), pd.read_csv(folder / "test.csv")
    test = test[~test["text"].isin(train["text"])]
    classes = sorted(train["category"].unique())
    codes = [pd.Index(classes).get_indexer(pd.Index(t["category"])) for t in (train, test)]
    vectors = [
        embedded(t["text"].tolist(), model, cache / f"banking_{n}.npy") for n, t in (("train", train), ("test", test))
    ]
    order = np.argsort(train["text"].map(record_id).to_numpy())
    return Task("BANKING77", vectors[0][order], codes[0][order], vectors[1], codes[1], step=154, rounds=26, shown=9)


def measured(task: Task, compared: list[str]) -> dict[str, Any]:
    """The figures of each strategy, over the seeds."""
    full = task.score(fitted(task.train, task.labels))
    curves = {name: [curve(task, name, seed, TARGET * full) for seed in SEEDS] for name in compared}
    return summary(task, full, curves)


def summary(task: Task, full: float, curves: dict[str, list[list[tuple[int, float]]]]) -> dict[str, Any]:
    """For each strategy the labels needed by seed, the mean curve, and the saving over random."""
    needs = {name: [needed(points, TARGET * full) for points in found] for name, found in curves.items()}
    counts = {name: np.array([labels for labels, _ in found]) for name, found in needs.items()}
    return {
        "full": full,
        "rows": len(task.labels),
        "needed": {name: values.tolist() for name, values in counts.items()},
        "reached": {name: sum(reached for _, reached in found) for name, found in needs.items()},
        "saving": {name: saving(values, counts["random"]) for name, values in counts.items() if name != "random"},
        "curves": {
            name: np.mean([[score for _, score in points[: task.shown]] for points in found], axis=0).tolist()
            for name, found in curves.items()
        },
        "labels": [labels for labels, _ in curves["random"][0][: task.shown]],
    }


def saving(values: np.ndarray, control: np.ndarray) -> tuple[float, float, float]:
    """One minus the ratio of mean labels needed, with a 95 % interval over resamples of the paired seeds."""
    draws = np.random.default_rng(0).integers(len(values), size=(10_000, len(values)))
    ratios = 1 - values[draws].mean(axis=1) / control[draws].mean(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(1 - values.mean() / control.mean()), float(low), float(high)


def tables(name: str, found: dict[str, Any]) -> str:
    """Labels needed and learning curves, as two tables."""
    rows = [(one, _needed(found, one), _saved(found["saving"].get(one))) for one in found["needed"]]
    places = np.unique(np.linspace(0, len(found["labels"]) - 1, 7).round().astype(int))
    curves = [(one, *(f"{scores[place]:.3f}" for place in places)) for one, scores in found["curves"].items()]
    heading = f"{name}: {found['rows']:,} rows, full score {found['full']:.4f}, goal {TARGET * found['full']:.4f}"
    needs = table(
        ("strategy", "labels needed (least to most of 5 seeds)", "saved against random (95 % interval)"), rows
    )
    shown = table(("score at labels", *(f"{found['labels'][place]:,}" for place in places)), curves)
    return f"{heading}\n\n{needs}\n{shown}"


def _needed(found: dict[str, Any], name: str) -> str:
    values, reached = found["needed"][name], found["reached"][name]
    never = f"; {len(values) - reached} of {len(values)} never" if reached < len(values) else ""
    return f"{np.mean(values):,.0f} ({min(values):,.0f} to {max(values):,.0f}{never})"


def _saved(figures: tuple[float, float, float] | None) -> str:
    return "" if figures is None else f"{figures[0]:.0%} ({figures[1]:.0%} to {figures[2]:.0%})"


def main() -> None:
    """Print the table, and leave the curves beside the cache."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--feedback", type=Path, required=True, help="data/feedback of a finished run")
    parser.add_argument("--banking77", type=Path, help="folder with train.csv and test.csv (text, category)")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--domains", nargs="*", default=["all", "products", "films", "editorials", "tweets"])
    parser.add_argument("--strategies", nargs="*", default=list(COMPARED))
    given = parser.parse_args()
    tasks = feedback_tasks(given.feedback, given.cache, given.domains) if given.domains else []
    if given.banking77:
        tasks.append(banking_task(given.banking77, given.feedback / "base_model", given.cache))
    compared = ["random", *(name for name in given.strategies if name != "random")]
    results = {}
    for task in tasks:
        results[task.name] = found = measured(task, compared)
        (given.cache / "active_learning.json").write_text(json.dumps(results, indent=1))
        print(tables(task.name, found), flush=True)


if __name__ == "__main__":
    main()
