"""Labels needed for 95 % of the full-data score: each strategy against random, five seeds, on real data.

    python bench/active_learning.py --feedback data/feedback --banking77 FOLDER --cache FOLDER

A frozen MiniLM gives the vectors, a logistic regression is the model that is trained anew after each round. Feedback is
measured on each domain and on all of them (weighted F1 on the domain's test rows), BANKING77 by accuracy.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from tasks.label.embeddings import of_texts
from tasks.label.strategies import STRATEGIES, Candidates
from tasks.markdown import table
from tasks.statistics import accuracy, weighted_f1

SEEDS = range(5)
TARGET = 0.95
RANDOM_SHARE = 0.2
COMPARED = ("random", "uncertain_diverse", "default round", "uncertain", "diverse", "disagreement", "drifted")


@dataclass(frozen=True)
class Task:
    """Vectors and class numbers to learn from and to be tested on; a round is `step` labels, at most `rounds` of them."""

    name: str
    train: np.ndarray
    labels: np.ndarray
    test: np.ndarray
    truth: np.ndarray
    step: int
    rounds: int

    def score(self, model: LogisticRegression) -> float:
        """Weighted F1, or accuracy where classes are as many as intents."""
        predicted = model.predict(self.test)
        n_classes = int(self.labels.max()) + 1
        return accuracy(self.truth, predicted) if n_classes > 3 else weighted_f1(self.truth, predicted, n_classes)


def fitted(vectors: np.ndarray, labels: np.ndarray) -> LogisticRegression:
    """The model: one and the same everywhere."""
    return LogisticRegression(C=10.0, max_iter=300).fit(vectors, labels)


def curve(task: Task, strategy: str, seed: int) -> list[tuple[int, float]]:
    """Labels and score after each round; the first round is random for all, the same by seed."""
    rng = np.random.default_rng([seed, 0])
    labelled = rng.permutation(len(task.labels))[: task.step]
    rng = np.random.default_rng([seed, 1])
    points = []
    for number in range(task.rounds):
        model = fitted(task.train[labelled], task.labels[labelled])
        points.append((len(labelled), task.score(model)))
        if number < task.rounds - 1:
            labelled = np.concatenate([labelled, next_round(task, strategy, labelled, model, rng)])
    return points


def next_round(
    task: Task, strategy: str, labelled: np.ndarray, model: LogisticRegression, rng: np.random.Generator
) -> np.ndarray:
    """The pool rows that are labelled next. A default round draws a fifth at random, as the product does."""
    pool = np.setdiff1d(np.arange(len(task.labels)), labelled)
    lot = rng.permutation(pool)[: round(task.step * RANDOM_SHARE) if strategy == "default round" else 0]
    rest = np.setdiff1d(pool, lot)
    name = "uncertain_diverse" if strategy == "default round" else strategy
    known = labelled[:2000]
    candidates = Candidates(
        len(rest),
        lambda rows: task.train[rest[rows]],
        model.predict_proba(task.train[rest]),
        lambda: (task.train[known], task.labels[known]),
    )
    return np.concatenate([lot, rest[STRATEGIES[name](candidates, task.step - len(lot), rng)]])


def needed(points: list[tuple[int, float]], goal: float) -> float:
    """Labels at which the curve first reaches the goal, between two points by the straight line; inf if it never does."""
    for (n_before, low), (n_after, high) in zip([(0, 0.0), *points], points, strict=False):
        if high >= goal:
            return n_before + (n_after - n_before) * (goal - low) / (high - low) if n_before else n_after
    return float("inf")


def embedded(texts: list[str], model: Path, file: Path) -> np.ndarray:
    """Vectors of the texts, kept in a file."""
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, of_texts(texts, model, 128, 2))
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
        found.append(
            Task(
                domain,
                vectors["train"][rows["train"]],
                codes["train"],
                vectors["test"][rows["test"]],
                codes["test"],
                25,
                24,
            )
        )
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
    return Task("BANKING77", vectors[0], codes[0], vectors[1], codes[1], 154, 15)


def measured(task: Task, compared: list[str]) -> dict[str, Any]:
    """Full-data score, and for each strategy the labels needed by seed, the mean curve, and the saving over random."""
    full = task.score(fitted(task.train, task.labels))
    curves = {name: [curve(task, name, seed) for seed in SEEDS] for name in compared}
    needs = {name: np.array([needed(points, TARGET * full) for points in found]) for name, found in curves.items()}
    return {
        "full": full,
        "rows": len(task.labels),
        "needed": {name: values.tolist() for name, values in needs.items()},
        "saving": {name: saving(values, needs["random"]) for name, values in needs.items() if name != "random"},
        "curves": {
            name: np.mean([[s for _, s in points] for points in found], axis=0).tolist()
            for name, found in curves.items()
        },
        "labels": [n for n, _ in curves["random"][0]],
    }


def saving(values: np.ndarray, control: np.ndarray) -> tuple[float, float, float]:
    """One minus the ratio of mean labels needed, with a 95 % interval over all resamples of the paired seeds."""
    draws = np.random.default_rng(0).integers(len(values), size=(10_000, len(values)))
    with np.errstate(invalid="ignore"):
        ratios = 1 - values[draws].mean(axis=1) / control[draws].mean(axis=1)
        return (float(1 - values.mean() / control.mean()), *map(float, np.nanquantile(ratios, [0.025, 0.975])))


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
        rows = [(name, f"{np.mean(found['needed'][name]):.0f}", shown(found["saving"].get(name))) for name in compared]
        print(f"{task.name}: {found['rows']:,} rows, full score {found['full']:.4f}\n")
        print(table(("strategy", "labels for 95 %", "saved against random (95 % interval)"), rows), flush=True)


def shown(figures: tuple[float, float, float] | None) -> str:
    """A saving with its interval."""
    return "" if figures is None else f"{figures[0]:.0%} ({figures[1]:.0%} to {figures[2]:.0%})"


if __name__ == "__main__":
    main()
