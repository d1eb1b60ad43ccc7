"""How far the annotators agree beyond chance."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.recipe import Labels

Level = Literal["interval", "nominal"]

MOST_CELLS = 20_000_000
"""The library holds records x values x values numbers four times over: 640 MB at this limit."""


def agreement(votes: pd.DataFrame, scheme: Labels) -> dict[str, object]:
    """Krippendorff's alpha over all labels and for each label source, and the counts behind it.

    `alpha` is null when nothing can be said: no record has two labels, or all labels are the same.
    """
    level: Level = "interval" if scheme.ratings else "nominal"
    names = votes["annotator"].nunique()
    return {
        "level": level,
        "consensus": scheme.consensus,
        "n_annotators": int(names) or None,
        "n_anonymous_labels": int(votes["annotator"].isna().sum()),
        **_figures(votes, level),
        "sources": {str(source): _figures(rows, level) for source, rows in votes.groupby("source")},
    }


def krippendorff_alpha(value_counts: npt.NDArray[np.int64], values: npt.NDArray[np.float64], level: Level) -> float:
    """1 for perfect agreement, 0 for what chance gives, below 0 for less.

    `value_counts` has a row a record (each with two labels or more), a column a value. Source: Krippendorff, Content
    Analysis (4th edition, 2019), chapter 12; squared differences at the interval level, unequal or not at the nominal.
    """
    import krippendorff

    found = krippendorff.alpha(value_counts=value_counts, value_domain=values, level_of_measurement=level)
    return round(float(found), 9)


def value_counts(votes: pd.DataFrame, level: Level) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """How often each record got each value (records with two labels or more, by record_id), and the values, rising."""
    column = "rating" if level == "interval" else "class_index"
    paired = votes[votes.duplicated("record_id", keep=False)]
    codes, record_ids = pd.factorize(paired["record_id"], sort=True)
    value_codes, values = pd.factorize(paired[column], sort=True)
    cells = np.bincount(codes * len(values) + value_codes, minlength=len(record_ids) * len(values))
    return cells.reshape(len(record_ids), len(values)), np.asarray(values, dtype=np.float64)


def fair_sample(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The first rows, as many as memory allows: ordered by record_id, a hash, they are a fair sample."""
    return counts[: max(2, MOST_CELLS // max(1, counts.shape[1]) ** 2)]


def _figures(votes: pd.DataFrame, level: Level) -> dict[str, object]:
    counts, values = value_counts(votes, level)
    sample = fair_sample(counts)
    used = sample.any(axis=0)
    known = bool(used.sum() > 1)
    return {
        "alpha": krippendorff_alpha(sample[:, used], values[used], level) if known else None,
        "alpha_n_records": len(sample) if known else 0,
        "n_records": int(votes["record_id"].nunique()),
        "n_labels": len(votes),
    }
