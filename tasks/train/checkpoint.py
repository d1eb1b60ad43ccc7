"""Everything that training needs to go on as if nothing had happened, in one safetensors file."""

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import storage

if TYPE_CHECKING:
    import torch

    Tensors = dict[str, torch.Tensor]


def save(path: Path, key: str, tensors: "Tensors", state: dict[str, Any]) -> None:
    """Write tensors and JSON-able state whole, over the checkpoint before. `key` says what they belong to."""
    from safetensors.torch import save as serialised

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    storage.write_bytes(path, serialised(plain, metadata={"key": key, "state": json.dumps(state)}))


def load(path: Path, key: str) -> "tuple[Tensors, dict[str, Any]] | None":
    """The tensors and state that belong to `key`, or None: there are none, or they belong to other inputs."""
    from safetensors.torch import load as deserialised

    if not path.is_file():
        return None
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    if metadata.get("key") != key:
        return None
    return deserialised(content), json.loads(metadata["state"])
