"""Which step makes a classifier's endpoint answer otherwise than evaluated: each step is done again, in order."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from tasks import inference, registered
from tasks.recipe import Recipe
from tasks.records import CONTENT_COLUMN
from tasks.release.broken import Broken
from tasks.release.class_parity import Probabilities
from tasks.release.class_parity import expected as expected_of
from tasks.release.weights import rescaled

FP32 = "model.onnx"
SMALL = 0.1
"""A difference that other rounding makes: another kind of processor moves an int8 model by so much, not by more."""
EXPLAINED = 0.1
"""A cause explains a difference when what is left without it is this share of it."""


def diagnosed(recipe: Recipe, folder: Path, probes: pd.DataFrame, answered: Probabilities) -> Broken:
    """The first step that differs, given the endpoint's probabilities (probes by the recipe's classes)."""
    expected = expected_of(probes, recipe)
    kind = importlib.import_module(f"tasks.release.{recipe.kind}")
    return (
        kind.broken_input(folder, probes)
        or _label_order(recipe.labels.classes, expected, answered)
        or _endpoint(recipe, folder, probes, answered)
        or _scale(folder)
        or _temperature(expected, answered)
        or _quantisation(recipe, folder, probes, expected)
        or _weights(expected, answered)
    )


def _label_order(classes: tuple[str, ...], expected: Probabilities, answered: Probabilities) -> Broken | None:
    """Whether the columns fit after they change places: the cheapest one-to-one assignment (Kuhn 1955)."""
    costs = np.abs(expected[:, :, None] - answered[:, None, :]).mean(axis=0)
    _, places = linear_sum_assignment(costs)
    plain = np.abs(expected - answered).mean()
    if (places == np.arange(len(classes))).all() or np.abs(expected - answered[:, places]).mean() > EXPLAINED * plain:
        return None
    pairs = [
        f"{classes[there]} for {name}" for name, there in zip(classes, places, strict=True) if classes[there] != name
    ]
    return Broken("label order", f"the endpoint says {', '.join(pairs)}")


def _endpoint(recipe: Recipe, folder: Path, probes: pd.DataFrame, answered: Probabilities) -> Broken | None:
    """Whether the same files answer otherwise without the endpoint: then it is the endpoint's own doing."""
    served = registered.served_file(folder)
    difference = np.abs(_of_file(recipe, folder, served, probes) - answered).max()
    if difference <= recipe.gate.parity.largest_difference:
        return None
    return Broken("endpoint", f"the files alone answer otherwise than the endpoint, by up to {difference:.4f}")


def _of_file(recipe: Recipe, folder: Path, file: str, probes: pd.DataFrame) -> Probabilities:
    """What a model file in the folder answers without HTTP, in the recipe's order of classes."""
    model = inference.load(folder, file, recipe.threads)
    found = model.probabilities(probes[CONTENT_COLUMN[recipe.kind]].tolist())
    return found[:, [model.classes.index(name) for name in recipe.labels.classes]]


def _scale(folder: Path) -> Broken | None:
    served = folder / registered.served_file(folder)
    if served.name == FP32 or not (folder / FP32).is_file() or not (wrong := rescaled(folder / FP32, served)):
        return None
    worst = max(wrong, key=lambda found: abs(np.log(max(abs(found.factor), 1e-9))))
    more = f", and {len(wrong) - 1} more weights" if wrong[1:] else ""
    return Broken("scale", f"{served.name}: {worst.tensor} stands for {worst.factor:.2f} times its fp32 weights{more}")


def _temperature(expected: Probabilities, answered: Probabilities) -> Broken | None:
    """Whether all logits are the evaluated ones times one number."""
    before, after = _logits(expected), _logits(answered)
    factor = float((before * after).sum() / (before**2).sum())
    left = np.abs(after - factor * before).mean()
    if left > EXPLAINED * np.abs(after - before).mean():
        return None
    return Broken("scale", f"the logits are {factor:.2f} times the evaluated ones")


def _logits(probabilities: Probabilities) -> Probabilities:
    """The logarithms without their mean, which softmax does not see."""
    logarithms = np.log(np.maximum(probabilities, 1e-7))
    return np.asarray(logarithms - logarithms.mean(axis=1, keepdims=True))


def _quantisation(recipe: Recipe, folder: Path, probes: pd.DataFrame, expected: Probabilities) -> Broken | None:
    """Whether the fp32 file still answers nearly as evaluated, while the int8 file made of it does not."""
    served = registered.served_file(folder)
    if served == FP32 or not (folder / FP32).is_file():
        return None
    fp32 = np.abs(_of_file(recipe, folder, FP32, probes) - expected).mean()
    int8 = np.abs(_of_file(recipe, folder, served, probes) - expected).mean()
    if fp32 >= int8 or int8 <= recipe.gate.parity.largest_difference / 2:
        return None
    return Broken("quantisation", f"{served} is off by {int8:.3f} on average, {FP32} by {fp32:.3f}")


def _weights(expected: Probabilities, answered: Probabilities) -> Broken:
    difference = float(np.abs(expected - answered).max())
    if difference <= SMALL:
        return Broken("precision", f"the same steps round otherwise here, by up to {difference:.4f}; see gate.parity")
    return Broken("model", "the same tokens get other answers: these are other weights than the evaluated ones")
