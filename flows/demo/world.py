"""The world of the tide: real texts of three kinds, who calls for which of them when, and what people say of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.label_rows import classes_of_ratings
from tasks.paths import Paths
from tasks.recipe import Recipe, load

HOME, NEW = "products", ("films", "editorials")
TAUGHT = 2100
"""Product reviews that the first version learns from and is tested on; the others arrive as traffic."""
QUIET_DAYS, TIDE_DAY, LATER_DAYS = 3, 1, 2
QUIET_ROWS, TIDE_ROWS = 300, 4000
NEW_SHARE = 0.9
"""Of the answers, once the tide is there."""
UNSEEN = 2000
"""Texts of the new kinds that never arrive: on them the accuracies of the report are measured."""


@dataclass(frozen=True)
class World:
    """Texts with their domain and the class that some twenty people gave each (record_id, text, domain, label)."""

    taught: pd.DataFrame
    days: tuple[pd.DataFrame, ...]
    unseen: pd.DataFrame
    seed: int
    """By which the texts were dealt."""

    @property
    def truth(self) -> pd.DataFrame:
        """What people say of whatever arrives."""
        return pd.concat(self.days, ignore_index=True)


def world(root: Path, seed: int) -> World:
    """The texts of the recipe `feedback` dealt out by lot. They are fetched unless they are here."""
    texts = labelled(load(root / "recipes" / "feedback.yaml"), Paths(root, "feedback"))
    rng = np.random.default_rng(seed)
    home, new = (deck(texts[texts["domain"].isin(names)], rng) for names in ((HOME,), NEW))
    taught = home.take(TAUGHT)
    days = [home.take(QUIET_ROWS) for _ in range(QUIET_DAYS)]
    for rows in (*[TIDE_ROWS] * TIDE_DAY, *[QUIET_ROWS] * LATER_DAYS):
        arrived = round(rows * NEW_SHARE)
        mixed = pd.concat([home.take(rows - arrived), new.take(arrived)], ignore_index=True)
        days.append(mixed.iloc[rng.permutation(rows)].reset_index(drop=True))
    return World(taught, tuple(days), new.take(UNSEEN), seed)


@dataclass(eq=False)
class Deck:
    """Rows in a random order, dealt from the top."""

    rows: pd.DataFrame
    dealt: int = 0

    def take(self, count: int) -> pd.DataFrame:
        """The next rows."""
        found = self.rows.iloc[self.dealt : self.dealt + count].reset_index(drop=True)
        self.dealt += count
        return found


def deck(texts: pd.DataFrame, rng: np.random.Generator) -> Deck:
    """The texts as a deck."""
    return Deck(texts.iloc[rng.permutation(len(texts))])


def labelled(recipe: Recipe, paths: Paths) -> pd.DataFrame:
    """Each text of the recipe's sources once, with the class of its mean rating."""
    from tasks.collect import remembered
    from tasks.collect.incoming import known_records
    from tasks.collect.labels import label_rows
    from tasks.collect.records import records_of

    fetch = remembered.fetching(paths)
    read = remembered.reading(paths, fetch)
    wanted = [source for source in recipe.sources if source.domain in (HOME, *NEW)]
    records = {source.name: records_of(source, read(source), recipe.kind) for source in wanted}
    nothing = pd.DataFrame(columns=["record_id", "source", "source_key"], dtype="str")
    known = known_records(recipe, records, nothing)
    sources = [source for source in recipe.labels.sources if source.of in records]
    ratings = pd.concat([label_rows(source, read(source), known).table for source in sources])
    means = ratings["label"].astype("float64").groupby(ratings["record_id"]).mean()
    texts = pd.concat(records.values()).drop_duplicates("record_id").set_index("record_id")
    both = texts.join(means.rename("rating"), how="inner").reset_index()
    return both.assign(label=classes(both["rating"], recipe))[["record_id", "text", "domain", "label"]]


def classes(ratings: "pd.Series[float]", recipe: Recipe) -> list[str]:
    """The class of each mean rating on the recipe's scale."""
    scale = recipe.labels.ratings
    if scale is None:
        raise ValueError("the recipe's labels are no ratings")
    means = np.asarray(ratings.round(9), dtype=np.float64)
    places = classes_of_ratings(means, scale)
    return [recipe.labels.classes[place] for place in places]


def shares(day: pd.DataFrame) -> Mapping[str, float]:
    """The share of each domain."""
    found = day["domain"].value_counts(normalize=True)
    return {str(name): float(share) for name, share in found.items()}


def named(day: pd.DataFrame) -> str:
    """The same in words."""
    return ", ".join(f"{share:.0%} {name}" for name, share in shares(day).items())


def batches(texts: list[str], size: int) -> Iterator[list[str]]:
    """The texts, `size` at a time."""
    yield from (texts[start : start + size] for start in range(0, len(texts), size))
