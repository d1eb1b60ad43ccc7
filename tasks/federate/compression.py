"""Updates in fewer bytes, and what was lost, to be added to the next one (error feedback: Karimireddy et al. 2019)."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.errors import TidemillError
from tasks.federate.messages import Arrays

Method = Literal["none", "int8", "topk"]
FloatArray = NDArray[Any]
STEPS = 127
"""Of int8 on each side of zero."""


def encoded(update: Arrays, method: Method, top_share: float) -> Arrays:
    """The update as it travels.

    `int8`: one scale an array (`NAME|scale`), a quarter of the bytes. `topk`: the `top_share` largest values of each
    array and their positions (`NAME|value` float32, `NAME|index` int32).
    """
    if method == "int8":
        return {key: array for name, values in update.items() for key, array in _int8(name, values).items()}
    if method == "topk":
        return {key: array for name, values in update.items() for key, array in _top(name, values, top_share).items()}
    return {name: values.astype(np.float32) for name, values in update.items()}


def _int8(name: str, values: FloatArray) -> Arrays:
    largest = float(np.abs(values).max(initial=0.0))
    scale = np.float32(largest / STEPS if largest else 1.0)
    return {name: np.rint(values / scale).astype(np.int8), f"{name}|scale": np.array([scale], dtype=np.float32)}


def _top(name: str, values: FloatArray, share: float) -> Arrays:
    flat = values.ravel()
    kept = max(1, round(share * flat.size))
    # A stable sort: equal values are kept in the order of their positions, on every machine.
    index = np.sort(np.argsort(-np.abs(flat), kind="stable")[:kept]).astype(np.int32)
    return {f"{name}|index": index, f"{name}|value": flat[index].astype(np.float32)}


def received(sent: Arrays, method: Method) -> Arrays:
    """The shared model as a silo takes it from what came (`none` or `int8`, which need no other model to be read)."""
    if method == "none":
        return sent
    like = {name: values for name, values in sent.items() if not name.endswith("|scale")}
    return decoded(sent, like, method)


def decoded(sent: Arrays, like: Arrays, method: Method) -> Arrays:
    """The update that was sent, in the shapes of `like`. Raises TidemillError when it is not of that form."""
    expected = set(encoded(like, method, 1.0))
    if set(sent) != expected:
        raise TidemillError(f"sent arrays {sorted(sent)}, not {sorted(expected)}")
    return {name: _decoded(name, sent, values, method) for name, values in like.items()}


def _decoded(name: str, sent: Arrays, like: FloatArray, method: Method) -> FloatArray:
    if method == "topk":
        return _spread(name, sent[f"{name}|index"], sent[f"{name}|value"], like)
    values = sent[name]
    if values.shape != like.shape:
        raise TidemillError(f"sent {name} with shape {list(values.shape)}, not {list(like.shape)}")
    scale = sent[f"{name}|scale"] if method == "int8" else np.ones(1, dtype=np.float32)
    if scale.shape != (1,):
        raise TidemillError(f"sent {name} with {scale.size} scales, not one")
    return np.asarray(values.astype(np.float32) * scale[0], dtype=np.float32)


def _spread(name: str, index: FloatArray, values: FloatArray, like: FloatArray) -> FloatArray:
    size = like.size
    fits = index.ndim == 1 and index.shape == values.shape and index.dtype.kind == "i" and len(index) <= size
    if not fits or (len(index) and not (index.min() >= 0 and index.max() < size)):
        raise TidemillError(f"sent {name} with positions that are none of its {size:,} values")
    flat = np.zeros(size, dtype=np.float32)
    flat[index] = values
    return np.asarray(flat.reshape(like.shape))


def with_feedback(update: Arrays, lost: Arrays, method: Method, top_share: float) -> tuple[Arrays, Arrays]:
    """The update plus what was lost before, encoded, and what is lost now."""
    whole = {name: values + lost[name] if name in lost else values for name, values in update.items()}
    sent = encoded(whole, method, top_share)
    arrived = decoded(sent, update, method)
    return sent, {name: (whole[name] - arrived[name]).astype(np.float32) for name in update}
