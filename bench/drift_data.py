"""What the drift benchmark looks at: real texts with a model's embeddings and answers, and wide made-up tables.

The model is a logistic regression on the frozen base model's embeddings, so that a "champion" of any set of domains is
trained in a second. It learns from half of the texts; windows and references come from the other half.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tasks import storage, text_model, tokens
from tasks.evaluate.reference import text_statistics

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

TOKENS, BATCH, THREADS = 128, 64, 2
NUMBERS = ["characters", "words", "non_letter_share", "confidence"]
NAMES = ["domain", "predicted"]
COLUMNS = [*NUMBERS, *NAMES]
WIDE_NUMBERS, WIDE_NAMES = 14, 6


@dataclass(frozen=True)
class Texts:
    """Texts with label and domain (rows of `table`) and their embeddings, rows x width."""

    table: pd.DataFrame
    vectors: np.ndarray

    def where(self, rows: np.ndarray) -> "Texts":
        """Some of the rows: a mask or positions."""
        return Texts(self.table.iloc[rows if rows.dtype != bool else np.flatnonzero(rows)], self.vectors[rows])


def texts(data: Path, cache: Path) -> Texts:
    """The prepared and labelled texts of a recipe's data folder; their embeddings are kept in `cache`."""
    records = storage.read_table(data / "prepare" / "records.parquet")
    labels = storage.read_table(data / "annotate" / "consensus.parquet")
    table = records.merge(labels[["record_id", "label"]], on="record_id").reset_index(drop=True)
    if not cache.is_file():
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.save(cache, embedded(table["text"].tolist(), data / "base_model"))
    return Texts(table, np.load(cache))


def embedded(contents: Sequence[str], folder: Path) -> np.ndarray:
    """The base model's mean-pooled last hidden states, of length 1."""
    import torch

    torch.set_num_threads(THREADS)
    encoder = text_model.from_base(folder, 1).eval().encoder
    rows = tokens.encoded(tokens.tokenizer(folder, TOKENS), contents)
    vectors = np.zeros((len(rows), encoder.config.hidden_size), np.float32)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for batch in tokens.by_length(rows, BATCH):
            ids, mask = (torch.from_numpy(part) for part in tokens.padded([rows[index] for index in batch]))
            hidden = encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            means = (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
            vectors[batch] = torch.nn.functional.normalize(means, dim=1).numpy()
    return vectors


def halves(found: Texts, seed: int) -> tuple[Texts, Texts]:
    """What a champion learns from, and what it then meets."""
    learns = np.random.default_rng(seed).random(len(found.table)) < 0.5
    return found.where(learns), found.where(~learns)


def champion(taught: Texts, domains: Sequence[str]) -> "LogisticRegression":
    """A classifier that has seen these domains."""
    from sklearn.linear_model import LogisticRegression

    known = taught.where(taught.table["domain"].isin(domains).to_numpy())
    return LogisticRegression(max_iter=1000, C=10).fit(known.vectors, known.table["label"])


def answered(model: "LogisticRegression", met: Texts) -> Texts:
    """The texts as the traffic log has them: COLUMNS, `text`, and `label` and `right`, which a log would not know."""
    probabilities = model.predict_proba(met.vectors)
    predicted = model.classes_[probabilities.argmax(axis=1)]
    contents = met.table["text"].tolist()
    table = text_statistics(contents).assign(
        confidence=probabilities.max(axis=1),
        domain=met.table["domain"].to_numpy(),
        predicted=predicted,
        text=contents,
        label=met.table["label"].to_numpy(),
        right=predicted == met.table["label"].to_numpy(),
    )
    return Texts(table, met.vectors)


def misspelt(met: Texts, share: float, folder: Path, cache: Path) -> Texts:
    """The texts with typos, embedded anew."""
    rng = np.random.default_rng(3)
    contents = with_typos(met.table["text"].tolist(), share, rng)
    if not cache.is_file():
        np.save(cache, embedded(contents, folder))
    return Texts(met.table.assign(text=contents), np.load(cache))


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
