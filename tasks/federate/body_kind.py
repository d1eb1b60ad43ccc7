"""Federating low-rank changes of the encoder, or all of it, with the head: AdamW in torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks import text_model, tokens
from tasks.federate.local import Local, batches
from tasks.federate.lora import adapt, merge
from tasks.federate.messages import Arrays
from tasks.federate.model_folder import save_classifier
from tasks.federate.plan import Plan

if TYPE_CHECKING:
    import torch

    from tasks.federate.desk import Desk

BATCH = 64
WEIGHT_DECAY = 0.01


@dataclass(frozen=True)
class Tokenised:
    """Token ids and positions of the classes."""

    rows: list[list[int]]
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        """How many records there are."""
        return len(self.rows)


def initial(plan: Plan, base_model: Path) -> Arrays:
    """The trained parameters before the first round; the head and the changes are drawn by the plan's seed."""
    return _arrays(_model(plan, base_model))


def examples(desk: "Desk") -> dict[str, Tokenised]:
    """Each part as token ids."""
    tokenizer = tokens.tokenizer(Path(desk.rules.base_model), desk.plan.max_tokens)
    index = pd.Index(desk.plan.classes)
    return {
        part: Tokenised(tokens.encoded(tokenizer, table["text"].tolist()), index.get_indexer(pd.Index(table["label"])))
        for part, table in desk.records.parts.items()
    }


def trained(desk: "Desk", start: Arrays, examples: Tokenised, local: Local) -> Arrays:
    """The trained parameters after one round."""
    import torch

    model = _loaded(desk, start)
    # One number from several, so that no two rounds or silos drop the same units.
    torch.manual_seed(int(np.random.default_rng(list(local.seed)).integers(2**31)))
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    shared = [parameter.detach().clone() for parameter in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=local.learning_rate, weight_decay=WEIGHT_DECAY)
    model.train()
    for batch in batches(len(examples), local):
        loss = _loss(model, examples, batch)
        if local.proximal:
            pairs = zip(parameters, shared, strict=True)
            loss = loss + local.proximal / 2 * torch.stack([((p - s) ** 2).sum() for p, s in pairs]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return _arrays(model)


def _loss(model: "torch.nn.Module", examples: Tokenised, batch: NDArray[np.int64]) -> "torch.Tensor":
    import torch

    ids, mask = tokens.padded([examples.rows[index] for index in batch])
    logits = model(torch.from_numpy(ids), torch.from_numpy(mask))
    return torch.nn.functional.cross_entropy(logits, torch.from_numpy(examples.classes[batch]))


def right(desk: "Desk", arrays: Arrays, examples: Tokenised) -> int:
    """How many records the model puts into their class."""
    import torch

    if not len(examples):
        return 0
    model = _loaded(desk, arrays).eval()
    count = 0
    with torch.inference_mode():
        for batch in tokens.by_length(examples.rows, BATCH):
            ids, mask = tokens.padded([examples.rows[index] for index in batch])
            found = model(torch.from_numpy(ids), torch.from_numpy(mask)).argmax(1).numpy()
            count += int((found == examples.classes[batch]).sum())
    return count


def save(arrays: Arrays, plan: Plan, base_model: Path, folder: Path) -> None:
    """The whole model, the changes added to the encoder's own weights."""
    model = _model(plan, base_model)
    _load(model, arrays)
    merge(model)
    save_classifier(model, plan, base_model, folder)


def _model(plan: Plan, base_model: Path) -> "torch.nn.Module":
    import torch

    torch.manual_seed(plan.seed)
    model = text_model.from_base(base_model, len(plan.classes))
    if plan.federate.partial == "lora":
        adapt(model, plan.federate.lora_rank)
    return model


def _loaded(desk: "Desk", arrays: Arrays) -> "torch.nn.Module":
    import torch

    torch.set_num_threads(desk.rules.threads)
    model = _model(desk.plan, Path(desk.rules.base_model))
    _load(model, arrays)
    return model


def _load(model: "torch.nn.Module", arrays: Arrays) -> None:
    import torch

    named: dict[str, Any] = {name: torch.from_numpy(values.copy()) for name, values in arrays.items()}
    model.load_state_dict(named, strict=False)


def _arrays(model: "torch.nn.Module") -> Arrays:
    return {n: p.detach().numpy().copy() for n, p in model.named_parameters() if p.requires_grad}
