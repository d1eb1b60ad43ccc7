"""What the drift benchmark looks at: real texts with a model's embeddings and answers, and wide made-up tables.

The model is a logistic regression on latent semantic embeddings (TF-IDF, 100 singular vectors; Deerwester et al. 1990),
so that a "champion" of any set of domains is trained in a second on any machine. It learns from half of the texts;
references and windows come from the other half. A fine-tuned model's embeddings see more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from tasks import storage
from tasks.evaluate.reference import text_statistics
from tasks.watch import tables

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline

WIDTH, THREADS = 100, 2
NUMBERS = ["characters", "words", "non_letter_share", "confidence"]
NAMES = ["domain", "predicted"]
COLUMNS = [*NUMBERS, *NAMES]
WIDE_NUMBERS, WIDE_NAMES = 14, 6


@dataclass(frozen=True)
class Champion:
    """What turns texts into embeddings, and those into classes."""

    embedding: "Pipeline"
    head: "LogisticRegression"


@dataclass(frozen=True)
class Answered:
    """Texts as the traffic log has them: a table with COLUMNS, `text`, `label` and `right`, and their embeddings."""

    table: pd.DataFrame
    every: np.ndarray
    """Embeddings, rows x width, of which these texts have some."""
    places: np.ndarray

    def where(self, rows: np.ndarray) -> "Answered":
        """Some of the rows: a mask or positions."""
        positions = np.flatnonzero(rows) if rows.dtype == bool else rows
        return Answered(self.table.iloc[positions], self.every, self.places[positions])

    def vectors(self, most: int, rng: np.random.Generator) -> np.ndarray:
        """The embeddings of at most so many of the texts."""
        return self.every[self.places[tables.drawn(len(self.places), most, rng)]]


def texts(data: Path) -> pd.DataFrame:
    """The prepared and labelled texts of a recipe's data folder."""
    records = storage.read_table(data / "prepare" / "records.parquet")
    labels = storage.read_table(data / "annotate" / "consensus.parquet")
    return records.merge(labels[["record_id", "label"]], on="record_id").reset_index(drop=True)


def halves(found: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What a champion learns from, and what it then meets."""
    learns = np.random.default_rng(seed).random(len(found)) < 0.5
    return found[learns], found[~learns]


def champion(taught: pd.DataFrame, domains: Sequence[str]) -> Champion:
    """A classifier that has seen these domains."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    known = taught[taught["domain"].isin(domains)]
    words = TfidfVectorizer(min_df=2, sublinear_tf=True, max_features=20_000, token_pattern=r"\b\w{1,40}\b")
    embedding = make_pipeline(words, TruncatedSVD(WIDTH, random_state=1), Normalizer())
    with threadpool_limits(THREADS):
        vectors = embedding.fit_transform(known["text"])
        return Champion(embedding, LogisticRegression(max_iter=1000, C=10).fit(vectors, known["label"]))


def answered(model: Champion, met: pd.DataFrame) -> Answered:
    """The model's answers to the texts."""
    contents = met["text"].tolist()
    vectors = model.embedding.transform(contents).astype(np.float32)
    probabilities = model.head.predict_proba(vectors)
    predicted = model.head.classes_[probabilities.argmax(axis=1)]
    table = text_statistics(contents).assign(
        confidence=probabilities.max(axis=1),
        domain=met["domain"].to_numpy(),
        predicted=predicted,
        text=contents,
        label=met["label"].to_numpy(),
        right=predicted == met["label"].to_numpy(),
    )
    return Answered(table, vectors, np.arange(len(table)))


def with_typos(contents: Sequence[str], share: float, rng: np.random.Generator) -> list[str]:
    """The texts with that share of their letters swapped with the next one."""
    return ["".join(_swapped(list(text), share, rng)) for text in contents]


def _swapped(letters: list[str], share: float, rng: np.random.Generator) -> list[str]:
    for place in np.flatnonzero(rng.random(max(len(letters) - 1, 0)) < share):
        letters[place], letters[place + 1] = letters[place + 1], letters[place]
    return letters


def wide(rows: int, seed: int) -> pa.Table:
    """A table of 14 columns of numbers and 6 of names, of various shapes."""
    rng = np.random.default_rng(seed)
    shapes = [rng.normal, rng.exponential, rng.random, lambda size: rng.integers(0, 40, size).astype(float)]
    numbers = {f"number_{i}": shapes[i % len(shapes)](size=rows) for i in range(WIDE_NUMBERS)}
    names = {f"name_{i}": _names(rows, 3 + 4 * i, rng) for i in range(WIDE_NAMES)}
    return pa.table({**numbers, **names})


def _names(rows: int, many: int, rng: np.random.Generator) -> pa.Array:
    codes = rng.choice(many, rows, p=1 / np.arange(1, many + 1) / np.sum(1 / np.arange(1, many + 1)))
    return pa.DictionaryArray.from_arrays(pa.array(codes), [f"value {i}" for i in range(many)]).cast(pa.string())


def write_wide(path: Path, rows: int, seed: int, repeats: int = 1) -> Path:
    """A Parquet file of `rows` times `repeats` rows, written a part at a time."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = wide(rows, seed)
        with pq.ParquetWriter(path, part.schema, compression="zstd") as writer:
            for _ in range(repeats):
                writer.write_table(part, row_group_size=100_000)
    return path
