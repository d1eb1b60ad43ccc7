"""How near a model that was made on other hardware comes to the released one."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.recipe import Rebuild

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Nearness:
    """What was measured, what the recipe tolerates, and whether that holds."""

    weight_difference: float
    agreement: float
    tolerance: Rebuild

    @property
    def within(self) -> bool:
        """Whether both figures keep what the recipe's section `rebuild` asks for."""
        return self.weight_difference <= self.tolerance.weight_difference and self.agreement >= self.tolerance.agreement


def weight_difference(then: Path, now: Path) -> float:
    """The largest absolute difference of any weight of two ONNX files; infinite when they have other weights at all."""
    before, after = _weights(then), _weights(now)
    if {name: value.shape for name, value in before.items()} != {name: value.shape for name, value in after.items()}:
        return math.inf
    return max((float(np.abs(before[name] - after[name]).max(initial=0.0)) for name in before), default=0.0)


def _weights(file: Path) -> "dict[str, NDArray[np.float64]]":
    import onnx
    from onnx import numpy_helper

    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(file).graph.initializer}
    return {name: value.astype(np.float64) for name, value in tensors.items() if value.dtype.kind == "f"}


def agreement(then: "pd.DataFrame", now: "pd.DataFrame") -> float:
    """Share of the records (`record_id`, `predicted`) that got the same answer; one that only one table has did not."""
    both = then.merge(now, on="record_id", how="outer", suffixes=("_then", "_now"))
    return float((both["predicted_then"] == both["predicted_now"]).mean()) if len(both) else 1.0
