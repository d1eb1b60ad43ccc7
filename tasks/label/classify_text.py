"""What asking people about texts needs: the text on the page, and vectors of the base model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks import model_files, text_model, tokens
from tasks.progress import progress
from tasks.recipe import Recipe

BATCH = 64


def shown(content: str) -> str:
    """The text as the page shows it."""
    return content


def content(given: str) -> dict[str, str]:
    """The columns of a record whose text came by the endpoint."""
    return {"text": given}


def mark(recipe: Recipe, base_model: Path) -> str:
    """What the vectors depend on, as a file name."""
    return f"{model_files.digest(base_model)[:16]}-{recipe.train.max_tokens}"


def vectors(texts: Sequence[str], recipe: Recipe, base_model: Path) -> NDArray[np.float32]:
    """Texts by width, each of length 1: the mean of the base model's last hidden states (Reimers and Gurevych 2019)."""
    return of_texts(texts, base_model, recipe.train.max_tokens, recipe.threads)


def of_texts(texts: Sequence[str], model_folder: Path, max_tokens: int, threads: int) -> NDArray[np.float32]:
    """The same with the model in any folder."""
    import torch

    torch.set_num_threads(threads)
    model = text_model.from_base(model_folder, 1).eval()
    rows = tokens.encoded(tokens.tokenizer(model_folder, max_tokens), texts)
    found = np.zeros((len(rows), int(model.encoder.config.hidden_size)), dtype=np.float32)  # type: ignore[union-attr,arg-type]
    done = 0
    with progress("reading texts", len(rows)) as report, torch.inference_mode():
        for batch in tokens.by_length(rows, BATCH):
            ids, mask = (torch.from_numpy(part) for part in tokens.padded([rows[index] for index in batch]))
            hidden = model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state  # type: ignore[operator]
            means = (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
            found[batch] = torch.nn.functional.normalize(means, dim=1).numpy()
            report(done := done + len(batch))
    return found
