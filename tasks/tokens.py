"""Texts as token ids: one tokenizer file, the same for training, export, evaluation and serving."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks.errors import TidemillError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Ids = NDArray[np.int64]


def tokenizer(folder: Path, max_tokens: int) -> "Tokenizer":
    """The tokenizer in `folder`/tokenizer.json, cutting texts after `max_tokens` tokens (special ones included)."""
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    if not file.is_file():
        raise TidemillError(f"{file}: is missing; a model folder needs its tokenizer.json")
    loaded = Tokenizer.from_file(str(file))
    loaded.no_padding()
    loaded.enable_truncation(max_tokens)
    return loaded


def encoded(loaded: "Tokenizer", texts: Sequence[str]) -> list[list[int]]:
    """The token ids of each text, unpadded."""
    return [encoding.ids for encoding in loaded.encode_batch_fast(list(texts))]


def padded(rows: Sequence[list[int]], pad_id: int = 0) -> tuple[Ids, Ids]:
    """Token ids and attention mask, both rows x longest, int64."""
    longest = max(map(len, rows))
    ids = np.full((len(rows), longest), pad_id, dtype=np.int64)
    mask = np.zeros((len(rows), longest), dtype=np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return ids, mask


def by_length(rows: Sequence[list[int]], batch_size: int) -> Iterator[list[int]]:
    """Positions of rows in batches of like length, longest first: little padding, and memory peaks at once."""
    order = sorted(range(len(rows)), key=lambda index: (-len(rows[index]), index))
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
