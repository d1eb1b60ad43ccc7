"""ONNX export and quantisation of a text classifier."""

from pathlib import Path
from typing import Any

import pandas as pd

from tasks import text_model
from tasks.compress.class_score import METRIC, METRIC_NAME, score
from tasks.compress.quantise import quantise as dynamically
from tasks.recipe import Recipe

__all__ = ["METRIC", "METRIC_NAME", "describe", "export", "quantise", "score"]

OPSET = 17
"""The newest operator set that the tracing exporter of torch 2.13 knows by heart."""


def describe(recipe: Recipe, _trained: Path) -> dict[str, Any]:
    """What model.json says of the input: after how many tokens a text is cut."""
    return {"max_tokens": recipe.train.max_tokens}


def export(trained: Path, path: Path) -> None:
    """Write the classifier in folder `trained` as ONNX, fp32.

    Inputs `input_ids` and `attention_mask` (batch x tokens, int64), outputs `probabilities` (batch x classes) and
    `embeddings` (batch x width), what the head reads: drift and the choice of what to label want them.
    """
    import torch

    ids, mask = torch.tensor([[2, 3, 4], [2, 3, 0]]), torch.tensor([[1, 1, 1], [1, 1, 0]])
    batch, tokens = {0: "batch"}, {0: "batch", 1: "tokens"}
    torch.onnx.export(
        text_model.answering(trained),
        (ids, mask),
        str(path),
        input_names=["input_ids", "attention_mask"],
        output_names=["probabilities", "embeddings"],
        dynamic_axes={"input_ids": tokens, "attention_mask": tokens, "probabilities": batch, "embeddings": batch},
        opset_version=OPSET,
        dynamo=False,
    )


def quantise(source: Path, target: Path, _records: pd.DataFrame, _description: dict[str, Any]) -> None:
    """Write `source` (ONNX, fp32) with int8 weights; activations are scaled as they come."""
    dynamically(source, target)
