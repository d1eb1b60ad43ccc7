"""Named arrays and a JSON-able note in one safetensors file."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks import storage
from tasks.federate.messages import Arrays


def save(path: Path, arrays: Mapping[str, NDArray[Any]], note: Any = None) -> None:
    """Write both, whole or not at all."""
    from safetensors.numpy import save as serialised

    plain = {name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}
    storage.write_bytes(path, serialised(plain, metadata={"note": json.dumps(note, sort_keys=True)}))


def load(path: Path) -> tuple[Arrays, Any] | None:
    """The arrays and the note, or None when there is no such file."""
    from safetensors.numpy import load as deserialised

    return (dict(deserialised(path.read_bytes())), note(path)) if path.is_file() else None


def note(path: Path) -> Any:
    """The note alone, without reading the arrays; None when there is no such file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return json.loads(json.loads(file.read(length))["__metadata__"]["note"])
