"""A version ready to answer: loaded from safe files only, and warmed up."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from tasks import inference, storage
from tasks.errors import TidemillError
from tasks.recipe import Engine

SAFE = ".onnx"
"""What is served, with JSON (and safetensors, for torch) beside it. None runs code when it is loaded; a pickle would."""


@dataclass(frozen=True, eq=False)
class Live:
    """A model at work, the module of its kind, and the number of its version (None: a folder, no version)."""

    version: int | None
    model: inference.Model
    kind: ModuleType


def load(folder: Path, version: int | None, threads: int, engine: Engine = "onnx") -> Live:
    """The model that the folder's model.json says is served, after a short and a long answer.

    Raises TidemillError when a file is missing, damaged or of a form that could run code.
    """
    description = storage.read_json(folder / inference.DESCRIPTION)
    missing = [key for key in ("kind", "classes", "served") if key not in description]
    if missing:
        raise TidemillError(f"{folder / inference.DESCRIPTION}: says no {missing[0]}; run compress again")
    served = str(description["served"])
    if Path(served).suffix != SAFE or Path(served).name != served:
        raise TidemillError(f"{folder / inference.DESCRIPTION}: served is {served!r}; only an .onnx file beside it is")
    model = inference.load(folder, served, threads, engine)
    live = Live(version, model, importlib.import_module(f"tasks.serve.{description['kind']}"))
    for content in live.kind.WARM_UP:
        live.kind.answers(model, [content])
    return live
