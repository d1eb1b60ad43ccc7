"""Whether int8 weights still stand for the fp32 weights that they were made of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 0.05
"""Of the ratio int8 to fp32 of a channel: rounding to int8 moved none by 1 % in a trained MiniLM."""


@dataclass(frozen=True)
class Rescaled:
    """A weight whose int8 values times their scale are `factor` times (median of the wrong channels) the fp32 ones."""

    tensor: str
    factor: float
    channels: int


def rescaled(fp32: Path, int8: Path) -> list[Rescaled]:
    """The weights of file `int8` whose scales do not fit their fp32 originals; none in a sound pair."""
    import onnx
    from onnx import numpy_helper

    originals = {tensor.name: tensor for tensor in onnx.load(fp32).graph.initializer}
    small = {tensor.name: tensor for tensor in onnx.load(int8).graph.initializer}
    found = []
    for name in (name.removesuffix("_scale") for name in small if name.endswith("_scale")):
        source = name.removesuffix("_Transposed")
        if source not in originals or f"{name}_quantized" not in small:
            continue
        original, scale = (numpy_helper.to_array(tensor) for tensor in (originals[source], small[f"{name}_scale"]))
        ratios = _ratios(original.T if source != name else original, _restored(small, name), one=scale.ndim == 0)
        wrong = ratios[np.abs(ratios - 1) > TOLERANCE]
        if wrong.size:
            found.append(Rescaled(name, float(np.median(wrong)), wrong.size))
    return found


def _restored(tensors: dict[str, Any], name: str) -> NDArray[np.float32]:
    """The int8 weights as the numbers that they stand for; scales are one a column, or one for all."""
    from onnx import numpy_helper

    values = numpy_helper.to_array(tensors[f"{name}_quantized"]).astype(np.float32)
    zero = numpy_helper.to_array(tensors[f"{name}_zero_point"]).astype(np.float32)
    return np.asarray((values - zero) * numpy_helper.to_array(tensors[f"{name}_scale"]))


def _ratios(original: NDArray[Any], restored: NDArray[Any], *, one: bool) -> NDArray[np.float64]:
    """Least-squares factor from the original to the restored numbers: one for all, or one a column."""
    power = np.atleast_1d((original.astype(np.float64) ** 2).sum(axis=None if one else 0))
    products = np.atleast_1d((original * restored).sum(axis=None if one else 0, dtype=np.float64))
    return np.asarray(np.where(power > 0, products / np.maximum(power, 1e-12), 1.0))
