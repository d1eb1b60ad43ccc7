"""Texts as the frozen encoder's mean states, the same that the classifier's own head reads."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks import text_model, tokens
from tasks.progress import progress

BATCH = 32


def encoded(texts: Sequence[str], base_model: Path, max_tokens: int, threads: int) -> NDArray[np.float32]:
    """Mean last hidden state of each text, texts x width."""
    import torch

    torch.set_num_threads(threads)
    encoder = text_model.from_base(base_model, 1).eval().encoder
    rows = tokens.encoded(tokens.tokenizer(base_model, max_tokens), texts)
    width: int = encoder.config.hidden_size  # type: ignore[union-attr, assignment]
    states = np.zeros((len(rows), width), dtype=np.float32)
    with torch.inference_mode(), progress("encoding", len(rows)) as report:
        done = 0
        for batch in tokens.by_length(rows, BATCH):
            ids, mask = map(torch.from_numpy, tokens.padded([rows[index] for index in batch]))
            hidden = encoder(input_ids=ids, attention_mask=mask).last_hidden_state  # type: ignore[operator]
            real = mask.unsqueeze(-1).to(hidden.dtype)
            states[batch] = ((hidden * real).sum(1) / real.sum(1)).numpy()
            done += len(batch)
            report(done)
    return states
