"""The page a person looks at after annotate."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tasks.markdown import table

EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def card(agreed: pd.DataFrame, quality: pd.DataFrame, report: dict[str, Any], classes: Sequence[str]) -> str:
    """Markdown: class counts, agreement by label source, a histogram of agreement, and the annotators' quality."""
    parts = [
        _summary(agreed, report),
        table(("class", "records", "share"), _class_rows(agreed, classes)),
        table(("label source", "labels", "records", "Krippendorff's alpha"), _source_rows(report)),
        "Alpha is 1 for perfect agreement, 0 for chance; Krippendorff asks .8, and .667 for tentative conclusions.",
        table(("labels that say the consensus", "records"), _agreement_rows(agreed)),
        _annotators(quality, report),
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _summary(agreed: pd.DataFrame, report: dict[str, Any]) -> str:
    counts = agreed["n_labels"]
    if agreed.empty:
        return "No record has a label yet."
    return (
        f"{len(agreed):,} records have a consensus ({report['consensus']}) of {report['n_labels']:,} labels:"
        f" {counts.min()} to {counts.max()} labels a record, half of them {counts.median():g} or more."
    )


def _class_rows(agreed: pd.DataFrame, classes: Sequence[str]) -> list[tuple[str, ...]]:
    counts = agreed["label"].value_counts()
    shown = [(name, int(counts.get(name, 0))) for name in classes]
    return [(name, f"{count:,}", f"{count / max(1, len(agreed)):.1%}") for name, count in shown]


def _source_rows(report: dict[str, Any]) -> list[tuple[str, ...]]:
    rows = [("all", report), *sorted(report["sources"].items())]
    return [(name, f"{part['n_labels']:,}", f"{part['n_records']:,}", _alpha(part)) for name, part in rows]


def _alpha(part: dict[str, Any]) -> str:
    if part["alpha"] is None:
        return "not defined (needs records with two labels, and two values)"
    whole = part["alpha_n_records"] == part["n_records"]
    return f"{part['alpha']:.3f}" + ("" if whole else f" (of {part['alpha_n_records']:,} records)")


def _agreement_rows(agreed: pd.DataFrame) -> list[tuple[str, ...]]:
    below = itertools.pairwise(EDGES)
    counts, _ = np.histogram(agreed.loc[agreed["agreement"] < 1, "agreement"], bins=EDGES)
    rows = [(f"{low:.0%} to below {high:.0%}", f"{count:,}") for (low, high), count in zip(below, counts, strict=True)]
    return [*rows, ("all of them", f"{int((agreed['agreement'] >= 1).sum()):,}")]


def _annotators(quality: pd.DataFrame, report: dict[str, Any]) -> str:
    if quality.empty and report["n_labels"]:
        return (
            "No annotator's quality is given: the labels carry no annotator, and the order of anonymous labels says"
            " nothing about who gave them."
        )
    if quality.empty:
        return "No annotators yet."
    known = quality.dropna(subset="accuracy")
    worst = known.sort_values(["accuracy", "annotator"]).head(5)
    rows = [
        (str(row.annotator), f"{row.n_labels:,}", f"{row.accuracy:.1%}", f"{row.p_random:.0%}")
        for row in worst.itertuples()
    ]
    median = f", median accuracy {known['accuracy'].median():.1%}" if len(known) else ""
    anonymous = report["n_anonymous_labels"]
    beside = f" ({anonymous:,} labels carry no annotator.)" if anonymous else ""
    heading = f"{len(quality):,} annotators{median}; those to look at first:{beside}"
    columns = ("annotator", "labels", "accuracy", "clicks at random")
    return f"{heading}\n\n{table(columns, rows)}{_clickers(quality)}"


def _clickers(quality: pd.DataFrame) -> str:
    """Who more probably clicks at random than not."""
    suspects = quality.loc[quality["p_random"] > 1 / 2, "annotator"]
    return f"\nProbably clicking at random: {', '.join(suspects)}.\n" if len(suspects) else ""
