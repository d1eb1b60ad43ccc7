"""A released model in torch, on the GPU where there is one, used as ONNX Runtime's sessions are."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

ON_GPU = 128
"""Contents a pass: a GPU that gets few at once waits for the next ones."""


class TorchSession:
    """Weights in fp32 as they were trained, so that an answer is that of model.onnx but for rounding."""

    def __init__(self, kind: ModuleType, folder: Path) -> None:
        """Load the weights in `folder` (safetensors) into the network of `kind`, a module of tasks/encode."""
        import torch

        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self.device.type == "cpu":
            torch.set_num_threads(1)  # passes run side by side, as those of ONNX Runtime do
        self.network = kind.network(folder).to(self.device)

    def run(self, _names: None, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        """One pass: every output, rows first."""
        import torch

        with torch.inference_mode():
            given = {name: torch.from_numpy(values).to(self.device) for name, values in inputs.items()}
            return [found.float().cpu().numpy() for found in self.network(**given)]
