"""Texts as vectors of the base model, kept on disk: the same text is never read twice."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks import model_files, storage, text_model, tokens
from tasks.paths import Paths
from tasks.progress import progress
from tasks.recipe import Recipe

BATCH = 64

Vectors = NDArray[np.float32]


def embedded(records: pd.DataFrame, recipe: Recipe, paths: Paths) -> Vectors:
    """A vector of length 1 for each record, in order: the mean of the base model's last hidden states.

    Source: Reimers and Gurevych 2019. Known vectors come from `.tidemill/embeddings`; new ones are added there.
    """
    file = paths.embeddings / f"{_model_mark(paths, recipe)}.parquet"
    known = _kept(file)
    new = records[~records["record_id"].isin(list(known))].drop_duplicates("record_id")
    if len(new):
        vectors = of_texts(new["text"].tolist(), paths.base_model, recipe.train.max_tokens, recipe.threads)
        known |= dict(zip(new["record_id"], vectors, strict=True))
        storage.write_table(file, pd.DataFrame({"record_id": list(known), "vector": list(known.values())}))
    return np.stack([known[name] for name in records["record_id"]]) if len(records) else np.zeros((0, 1), np.float32)


def of_texts(texts: Sequence[str], model_folder: Path, max_tokens: int, threads: int) -> Vectors:
    """A vector of length 1 for each text, float32."""
    import torch

    torch.set_num_threads(threads)
    model = text_model.from_base(model_folder, 1).eval()
    rows = tokens.encoded(tokens.tokenizer(model_folder, max_tokens), texts)
    vectors = np.zeros((len(rows), int(model.encoder.config.hidden_size)), dtype=np.float32)  # type: ignore[union-attr,arg-type]
    done = 0
    with progress("reading texts", len(rows)) as report, torch.inference_mode():
        for batch in tokens.by_length(rows, BATCH):
            ids, mask = (torch.from_numpy(part) for part in tokens.padded([rows[index] for index in batch]))
            hidden = model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state  # type: ignore[operator]
            means = (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
            vectors[batch] = torch.nn.functional.normalize(means, dim=1).numpy()
            report(done := done + len(batch))
    return vectors


def _model_mark(paths: Paths, recipe: Recipe) -> str:
    """What the vectors depend on, as a file name."""
    manifest = storage.read_json(paths.base_model / "manifest.json")
    return f"{manifest['files'][model_files.WEIGHTS]['sha256'][:16]}-{recipe.train.max_tokens}"


def _kept(file: Path) -> dict[str, Vectors]:
    """The known vectors by record_id."""
    if not file.is_file():
        return {}
    table = storage.read_table(file)
    return dict(zip(table["record_id"], table["vector"], strict=True))
