"""Precision and recall of the label-error finder when 5 % of the labels are flipped, beside the library's other filters.

    python bench/label_errors.py --vectors FILE.npy --labels FILE.csv [--column category]

The vectors are those that bench/active_learning.py keeps; the labels are taken as true before some are flipped.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues

from tasks.label.wrong import noise, out_of_fold, suspects
from tasks.markdown import table

FLIPPED = 0.05
SEEDS = range(5)
FILTERS = (
    "prune_by_noise_rate",
    "prune_by_class",
    "both",
    "confident_learning",
    "predicted_neq_given",
    "low_normalized_margin",
    "low_self_confidence",
)


def flipped(labels: np.ndarray, n_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels with 5 % turned into any other class, and which."""
    rng = np.random.default_rng(seed)
    wrong = rng.permutation(len(labels))[: round(FLIPPED * len(labels))]
    changed = labels.copy()
    changed[wrong] = (labels[wrong] + rng.integers(1, n_classes, size=len(wrong))) % n_classes
    return changed, wrong


def figures(found: np.ndarray, wrong: np.ndarray) -> tuple[float, float]:
    """Precision and recall of the positions found."""
    hits = len(np.intersect1d(found, wrong))
    return hits / max(1, len(found)), hits / len(wrong)


def main() -> None:
    """Print the table: mean (least to most) of the seeds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--column", default="label")
    given = parser.parse_args()
    names = (
        pd.read_csv(given.labels)[given.column]
        if given.labels.suffix == ".csv"
        else pd.read_parquet(given.labels)[given.column]
    )
    labels, classes = pd.factorize(names, sort=True)
    vectors = np.load(given.vectors)
    measured: dict[str, list[tuple[float, ...]]] = {}
    for seed in SEEDS:
        changed, wrong = flipped(labels, len(classes), seed)
        beliefs = out_of_fold(vectors, changed, len(classes), seed)
        measured.setdefault("ours", []).append((*figures(suspects(changed, beliefs), wrong), noise(changed, beliefs)))
        for name in FILTERS:
            found = np.flatnonzero(find_label_issues(changed, beliefs, filter_by=name, n_jobs=1))
            measured.setdefault(name, []).append((*figures(found, wrong), float("nan")))
    rows = [(name, *(spread([one[i] for one in values]) for i in range(3))) for name, values in measured.items()]
    print(f"{len(labels):,} labels of {len(classes)} classes, {FLIPPED:.0%} flipped\n")
    print(table(("finder", "precision", "recall", "noise told"), rows))


def spread(values: list[float]) -> str:
    """Mean, least and most."""
    return "" if np.isnan(values).any() else f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    main()
