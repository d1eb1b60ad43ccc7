"""A trained model as files without pickle: weights in safetensors, what builds it again in JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import storage

if TYPE_CHECKING:
    import torch

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def save(model: "torch.nn.Module", folder: Path, config: Mapping[str, Any]) -> None:
    """Write the weights (safetensors; every real number in fp32) and `config` into `folder`."""
    from safetensors.torch import save as serialised

    weights = {name: _plain(tensor) for name, tensor in model.state_dict().items()}
    storage.write_bytes(folder / WEIGHTS, serialised(dict(sorted(weights.items()))))
    storage.write_text(folder / CONFIG, json.dumps(config, indent=2, sort_keys=True) + "\n")


def digest(folder: Path) -> str:
    """The sha256 of a base model's weights, as the manifest beside them says."""
    return str(storage.read_json(folder / "manifest.json")["files"][WEIGHTS]["sha256"])


def _plain(tensor: "torch.Tensor") -> "torch.Tensor":
    here = tensor.detach().cpu()
    return (here.float() if here.is_floating_point() else here).contiguous()
