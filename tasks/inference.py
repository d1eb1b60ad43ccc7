"""A released model at work: ONNX Runtime and what encodes its kind of content, without torch."""

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks import storage
from tasks.errors import TidemillError
from tasks.progress import Report

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

BATCH = 16
"""Contents a pass: on two cores larger batches were no faster."""

DESCRIPTION = "model.json"


class Encoder(Protocol):
    """What a kind brings: contents to rows, rows to batches of like ones, a batch to what the model's file takes."""

    def rows(self, contents: Sequence[Any]) -> list[Any]:
        """Each content as the encoder wants it."""
        ...

    def grouped(self, rows: Sequence[Any], size: int) -> Iterator[list[int]]:
        """Positions of the rows, at most `size` together."""
        ...

    def inputs(self, rows: Sequence[Any]) -> dict[str, Any]:
        """The model's inputs by name."""
        ...


@dataclass(frozen=True)
class Model:
    """A loaded model: class names in the order of its probabilities."""

    classes: tuple[str, ...]
    session: "InferenceSession"
    encoder: Encoder

    def probabilities(self, contents: Sequence[Any], report: Report | None = None) -> NDArray[np.float32]:
        """Probability of each class, contents x classes, float32."""
        rows = self.encoder.rows(contents)
        answers = np.zeros((len(rows), len(self.classes)), dtype=np.float32)
        done = 0
        for batch in self.encoder.grouped(rows, BATCH):
            answers[batch] = self.session.run(None, self.encoder.inputs([rows[index] for index in batch]))[0]
            done += len(batch)
            if report:
                report(done)
        return answers


def load(folder: Path, file: str, threads: int) -> Model:
    """The model in `folder`/`file`, with model.json (and a text's tokenizer.json) beside it. Raises TidemillError."""
    import onnxruntime

    description = storage.read_json(folder / DESCRIPTION)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(folder / file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a class of its own for each kind of damage
        raise TidemillError(f"{folder / file}: is no model that ONNX Runtime can load ({error})") from error
    return Model(tuple(description["classes"]), session, encoder(folder, description))


def encoder(folder: Path, description: dict[str, Any]) -> Encoder:
    """What encodes the contents of the model's kind."""
    kind = description.get("kind", "classify_text")
    made: Encoder = importlib.import_module(f"tasks.encode.{kind}").encoder(folder, description)
    return made


def files_beside(kind: str) -> tuple[str, ...]:
    """The files that a model of this kind needs beside its own and model.json."""
    files: tuple[str, ...] = importlib.import_module(f"tasks.encode.{kind}").FILES
    return files
