"""A transformer that reads a text and gives one score a class: built and loaded without pickle."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import storage
from tasks.errors import TidemillError
from tasks.model_files import CONFIG, WEIGHTS

if TYPE_CHECKING:
    import torch

TOKENIZER = "tokenizer.json"
HEAD_STD = 0.02
"""Standard deviation of the new head's weights, as BERT starts its own (Devlin et al. 2019)."""


def classifier(config: Mapping[str, Any], n_classes: int) -> "torch.nn.Module":
    """An untrained classifier on the transformer that `config` (Hugging Face's config.json) describes.

    forward(input_ids, attention_mask), both batch x tokens, returns logits, batch x classes: the mean of the
    last hidden states over the real tokens (Reimers and Gurevych 2019), dropout, one linear layer.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    class TextClassifier(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            described = AutoConfig.for_model(**{"attn_implementation": "eager", **config})
            self.encoder = AutoModel.from_config(described)  # type: ignore[no-untyped-call]
            if hasattr(self.encoder, "pooler"):
                self.encoder.pooler = None
            width = self.encoder.config.hidden_size
            self.dropout = torch.nn.Dropout(float(config.get("hidden_dropout_prob", 0.1)))
            self.head = torch.nn.Linear(width, n_classes)
            torch.nn.init.normal_(self.head.weight, std=HEAD_STD)
            torch.nn.init.zeros_(self.head.bias)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.head(self.dropout(self.embedded(input_ids, attention_mask)))  # type: ignore[no-any-return]

        def embedded(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            return (hidden * mask).sum(1) / mask.sum(1)  # type: ignore[no-any-return]

    return TextClassifier()


def from_base(folder: Path, n_classes: int) -> "torch.nn.Module":
    """A classifier with the pretrained encoder in `folder` and a fresh head (drawn from torch's own generator)."""
    from safetensors.torch import load_file

    config = storage.read_json(folder / CONFIG)
    model = classifier(config, n_classes)
    weights = load_file(folder / WEIGHTS)
    # A version of our own holds its encoder under that name, beside its head.
    prefix = "encoder." if "head.weight" in weights else f"{config['model_type']}."
    named = {
        name.removeprefix(prefix): weight
        for name, weight in weights.items()
        if not ("pooler" in name or name.startswith("head."))
    }
    missing, _ = model.encoder.load_state_dict(named, strict=False)  # type: ignore[union-attr]
    missing = [name for name in missing if "position_ids" not in name]
    if missing:
        raise TidemillError(
            f"{folder / WEIGHTS}: lacks {len(missing)} tensors of {config['model_type']}, {missing[0]} first"
        )
    return model


def load(folder: Path) -> "torch.nn.Module":
    """The trained classifier in `folder`, in evaluation mode."""
    from safetensors.torch import load_file

    config = storage.read_json(folder / CONFIG)
    model = classifier(config, len(config["classes"]))
    model.load_state_dict(load_file(folder / WEIGHTS))
    return model.eval()


def answering(folder: Path) -> "torch.nn.Module":
    """The trained classifier in `folder` as it answers.

    forward(input_ids, attention_mask) returns probabilities, batch x classes, and embeddings, batch x width: what the
    head reads.
    """
    import torch

    class Answering(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = load(folder)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            embedded = self.model.embedded(input_ids, attention_mask)  # type: ignore[operator]
            return torch.softmax(self.model.head(embedded), dim=-1), embedded  # type: ignore[operator]

    return Answering().eval()
