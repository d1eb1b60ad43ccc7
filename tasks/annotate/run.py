"""The annotate stage: label shards to consensus, agreement and annotator quality."""

import pandas as pd

from tasks import storage
from tasks.annotate.agreement import agreement
from tasks.annotate.annotators import annotators
from tasks.annotate.card import card
from tasks.annotate.classes import votes
from tasks.annotate.consensus import class_shares, consensus
from tasks.annotate.last_word import counted_over_all, deciding, of_annotators
from tasks.annotate.spammers import random_clicking
from tasks.paths import Paths
from tasks.recipe import Recipe

COLUMNS = ["record_id", "annotator", "label", "labelled_at", "source"]


def run(recipe: Recipe, paths: Paths) -> None:
    """Write consensus.parquet, annotators.parquet, agreement.json and card.md from the recipe's label shards."""
    scheme, folder = recipe.labels, paths.stage("annotate")
    labels = label_rows(paths)
    opinions = votes(labels, scheme)
    decisive = deciding(opinions)
    shares = class_shares(decisive, scheme)
    agreed = counted_over_all(consensus(decisive, shares, scheme), opinions, scheme.classes)
    blind = of_annotators(opinions)
    clicking = random_clicking(blind, scheme.classes)[["annotator", "p_random"]]
    quality = annotators(blind, shares, agreed, scheme).merge(clicking, on="annotator", how="left")
    report = agreement(blind, scheme) | {"n_label_rows": len(labels)}
    storage.write_table(folder / "consensus.parquet", agreed)
    storage.write_table(folder / "annotators.parquet", quality)
    storage.write_json(folder / "agreement.json", report)
    storage.write_text(folder / "card.md", card(agreed, quality, report, scheme.classes))
    print(f"{len(labels):,} label rows, {len(agreed):,} records with a consensus, alpha {report['alpha']}")


def label_rows(paths: Paths) -> pd.DataFrame:
    """The rows of all label shards in order of arrival; an empty table when there are none."""
    shards = [storage.read_table(shard, COLUMNS) for shard in sorted(paths.labels.glob("*.parquet"))]
    filled = [shard for shard in shards if len(shard)]
    if not filled:
        return pd.DataFrame({column: pd.Series(dtype="str") for column in COLUMNS})
    return pd.concat(filled, ignore_index=True)
