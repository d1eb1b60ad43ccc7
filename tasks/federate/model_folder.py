"""A trained classifier as a folder that every later stage reads."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import model_files, storage, text_model
from tasks.federate.plan import Plan

if TYPE_CHECKING:
    import torch


def save_classifier(model: "torch.nn.Module", plan: Plan, base_model: Path, folder: Path) -> None:
    """Weights, configuration and tokenizer into `folder`."""
    config: dict[str, Any] = storage.read_json(base_model / model_files.CONFIG)
    model_files.save(model, folder, {**config, "classes": list(plan.classes), "max_tokens": plan.max_tokens})
    storage.write_bytes(folder / text_model.TOKENIZER, (base_model / text_model.TOKENIZER).read_bytes())
