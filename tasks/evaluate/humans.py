"""How well one human rater agrees with the others, and how the model compares on exactly the same question."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.label_rows import classes_of_ratings, newest_answers
from tasks.metrics.classes import METRICS, contributions
from tasks.recipe import Labels
from tasks.statistics import Difference, FloatArray, IntArray, Interval, Resampling, percentiles, replicates

FEWEST_LABELS = 3
"""A record needs so many: with two there is no consensus of the others."""

COMPARED: tuple[str, ...] = ("weighted_f1", "accuracy")


@dataclass(frozen=True)
class Comparison:
    """One human rater and the model, each against the consensus of a record's other raters."""

    records: int
    ratings: int
    human: dict[str, Interval]
    model: dict[str, Interval]
    difference: dict[str, Difference]
    """Model minus human, on the same resampled records."""


@dataclass(frozen=True)
class Humans:
    """The comparison of all test records that have enough labels (None: there are none), and by domain."""

    overall: Comparison | None
    domain: dict[str, Comparison]


def leave_one_out(labels: pd.DataFrame, scheme: Labels, record_ids: Sequence[str]) -> pd.DataFrame:
    """One row per rating: `row` (place of its record in `record_ids`), `own` class, class of the `others`.

    Sorted by `row`. Records with fewer than FEWEST_LABELS labels are left out, and so are ratings whose others tie.
    """
    places = pd.Series(np.arange(len(record_ids)), index=pd.Index(record_ids), dtype="int64")
    mine = newest_answers(labels[labels["record_id"].isin(places.index)])
    row = places.reindex(mine["record_id"]).to_numpy()
    values = _values(mine["label"], scheme)
    valid = ~np.isnan(values)
    row, values = row[valid], values[valid]
    enough = np.bincount(row, minlength=1)[row] >= FEWEST_LABELS
    order = np.argsort(row[enough], kind="stable")
    row, values = row[enough][order], values[enough][order]
    others = (
        _others_by_mean(row, values, scheme) if scheme.consensus == "mean" else _others_by_vote(row, values, scheme)
    )
    table = pd.DataFrame({"row": row, "own": _classes(values, scheme), "others": others})
    return table[table["others"] >= 0].reset_index(drop=True)


def _values(labels: pd.Series, scheme: Labels) -> FloatArray:
    """Each label as its rating, or as the number of its class where labels are names; NaN for anything else."""
    if scheme.ratings is not None:
        return pd.to_numeric(labels, errors="coerce").to_numpy(dtype=np.float64)
    numbers = {name: float(number) for number, name in enumerate(scheme.classes)}
    return np.array([numbers.get(label, np.nan) for label in labels], dtype=np.float64)


def _classes(values: FloatArray, scheme: Labels) -> IntArray:
    """The class number of each value: the ratings' cuts, or the value itself."""
    if scheme.ratings is None:
        return values.astype(np.int64)
    return classes_of_ratings(values, scheme.ratings)


def _others_by_mean(row: IntArray, values: FloatArray, scheme: Labels) -> IntArray:
    """The class of the mean of the record's other ratings."""
    sums, counts = np.bincount(row, weights=values), np.bincount(row)
    # Rounded: a mean that lies on a cut must not miss it by a float's last bit.
    return _classes(np.round((sums[row] - values) / (counts[row] - 1), 9), scheme)


def _others_by_vote(row: IntArray, values: FloatArray, scheme: Labels) -> IntArray:
    """The most frequent class of the record's other ratings; -1 where two classes tie."""
    n_classes = len(scheme.classes)
    own = _classes(values, scheme)
    cells = np.bincount(row * n_classes + own, minlength=(int(row.max(initial=-1)) + 1) * n_classes)
    votes = cells.reshape(-1, n_classes)[row] - np.eye(n_classes, dtype=np.int64)[own]
    tied = (votes == votes.max(axis=1, keepdims=True)).sum(axis=1) > 1
    return np.where(tied, -1, votes.argmax(axis=1))


def compare(pairs: pd.DataFrame, predicted: IntArray, n_classes: int, resampling: Resampling) -> Comparison | None:
    """One rater beside the model against the same leave-one-out classes, or None without any.

    Each record counts once, however many raters it had, and whole records are resampled (a cluster bootstrap).
    `pairs` is what `leave_one_out` gives, `predicted` the model's class of every record.
    """
    if pairs.empty:
        return None
    row, own, others = (pairs[column].to_numpy() for column in ("row", "own", "others"))
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    weight = 1 / np.bincount(row)[row]
    human = np.add.reduceat(contributions(others, own, n_classes) * weight[:, None], starts)
    model = np.add.reduceat(contributions(others, predicted[row], n_classes) * weight[:, None], starts)
    estimates, low, high = _both(human, model, resampling)
    intervals = [Interval(*map(float, ends)) for ends in zip(estimates, low, high, strict=True)]
    by_metric = [dict(zip(COMPARED, intervals[start::3], strict=True)) for start in range(3)]
    gaps = {name: Difference(gap.estimate, gap.low, gap.high) for name, gap in by_metric[2].items()}
    return Comparison(len(starts), len(pairs), by_metric[0], by_metric[1], gaps)


def humans(
    pairs: pd.DataFrame, predicted: IntArray, domains: pd.Series, n_classes: int, resampling: Resampling
) -> Humans:
    """The comparison overall and in each domain that has one; `domains` names the domain of every record."""
    of_pair = domains.to_numpy()[pairs["row"]]
    by_name = {name: compare(pairs[of_pair == name], predicted, n_classes, resampling) for name in sorted(set(of_pair))}
    return Humans(
        compare(pairs, predicted, n_classes, resampling),
        {name: comparison for name, comparison in by_name.items() if comparison is not None},
    )


def _both(human: FloatArray, model: FloatArray, resampling: Resampling) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Estimates and interval ends of (human, model, model minus human) for each metric in turn."""
    width = human.shape[1]

    def statistic(totals: FloatArray) -> FloatArray:
        first, second = totals[..., :width], totals[..., width:]
        pairs = [(METRICS[name].statistic(first), METRICS[name].statistic(second)) for name in COMPARED]
        return np.stack([value for one, two in pairs for value in (one, two, two - one)], axis=-1)

    rows = np.hstack([human, model])
    low, high = percentiles(replicates(rows, statistic, resampling), resampling.confidence)
    return statistic(rows.sum(axis=0)), low, high
