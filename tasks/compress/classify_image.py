"""ONNX export and quantisation of an image classifier."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from tasks import image_model, images, storage
from tasks.compress.class_score import METRIC, METRIC_NAME, score
from tasks.model_files import CONFIG
from tasks.recipe import Recipe

__all__ = ["METRIC", "METRIC_NAME", "describe", "export", "quantise", "score"]

OPSET = 17
"""The newest operator set that the tracing exporter of torch 2.13 knows by heart."""

CALIBRATED_ON = 256
"""Validation images whose activations set the scales; more moved no answer on digits and fashion."""

BATCH = 64


def describe(_recipe: Recipe, trained: Path) -> dict[str, Any]:
    """What model.json says of the input: size and mode of the pixels."""
    form = storage.read_json(trained / CONFIG)["images"]
    return {"images": {name: form[name] for name in ("size", "mode")}}


def export(trained: Path, path: Path) -> None:
    """Write the classifier in folder `trained` as ONNX, fp32.

    Input `pixels` (batch x size x size x channels, uint8: scaled and normalised inside), output `probabilities`.
    """
    import torch

    form = storage.read_json(trained / CONFIG)["images"]
    shape = (2, form["size"], form["size"], images.CHANNELS[form["mode"]])
    torch.onnx.export(
        image_model.answering(trained),
        (torch.zeros(shape, dtype=torch.uint8),),
        str(path),
        input_names=["pixels"],
        output_names=["probabilities"],
        dynamic_axes={"pixels": {0: "batch"}, "probabilities": {0: "batch"}},
        opset_version=OPSET,
        dynamo=False,
    )


def quantise(source: Path, target: Path, records: pd.DataFrame, description: dict[str, Any]) -> None:
    """Write `source` (ONNX, fp32) with int8 weights and activations, scaled beforehand by what `records` show.

    Scales that are found anew for each image, as for texts, make convolutions slower than fp32.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    form, contents = description["images"], records["image"].head(CALIBRATED_ON).tolist()

    class Pixels(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._starts = iter(range(0, len(contents), BATCH))

        def get_next(self) -> dict[str, Any] | None:
            start = next(self._starts, None)
            if start is None:
                return None
            return {"pixels": images.batch(contents[start : start + BATCH], form["size"], form["mode"])}

    root, level = logging.getLogger(), logging.getLogger().level
    try:
        root.setLevel(logging.ERROR)  # it asks for a preparation that changes nothing here
        types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
        quantize_static(source, target, Pixels(), per_channel=True, **types)
    finally:
        root.setLevel(level)
