"""A released model at work: ONNX Runtime (or torch, where a recipe says so) and what encodes its kind of content."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks import storage
from tasks.errors import TidemillError
from tasks.model_files import CONFIG, WEIGHTS
from tasks.progress import Report
from tasks.recipe import Engine

BATCH = 16
"""Contents a pass: on two cores larger batches of texts were no faster."""

QUANTISED_BY = "onnx.quantize"
"""What ONNX Runtime's quantiser leaves as the producer of its files."""

DESCRIPTION = "model.json"

ENGINE_FILES: dict[Engine, tuple[str, ...]] = {"onnx": (), "torch": (WEIGHTS, CONFIG)}
"""What an engine reads beside the served file."""


class Session(Protocol):
    """What runs a model: ONNX Runtime's session, or one that is used like it."""

    def run(self, names: None, inputs: Mapping[str, Any], /) -> Any:
        """All outputs for the inputs by name."""
        ...


class Encoder(Protocol):
    """What a kind brings: contents to rows, rows to batches of like ones, a batch to what the model's file takes."""

    @property
    def apart(self) -> bool:
        """Whether a content must have a pass of its own in int8, because its neighbours would change its answer."""
        ...

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
class Answers:
    """What a model says to some contents: probabilities (rows x classes) and embeddings (rows x width), float32.

    The embeddings are None for a model that was exported without them.
    """

    probabilities: NDArray[np.float32]
    embeddings: NDArray[np.float32] | None


@dataclass(frozen=True)
class Model:
    """A loaded model: class names in the order of its probabilities, and how many passes run side by side."""

    classes: tuple[str, ...]
    session: Session
    encoder: Encoder
    threads: int
    together: int
    """How many contents a pass may hold."""

    def answers(self, rows: Sequence[Any]) -> Answers:
        """One pass over encoded rows, on one thread."""
        found = self.session.run(None, self.encoder.inputs(rows))
        return Answers(found[0], found[1] if len(found) > 1 else None)

    def probabilities(self, contents: Sequence[Any], report: Report | None = None) -> NDArray[np.float32]:
        """Probability of each class, contents x classes, float32. Passes hold contents that are alike."""
        rows = self.encoder.rows(contents)
        found = np.zeros((len(rows), len(self.classes)), dtype=np.float32)
        batches = list(self.encoder.grouped(rows, self.together))
        done = 0
        with ThreadPoolExecutor(self.threads) as pool:
            passes = pool.map(lambda batch: self.answers([rows[index] for index in batch]), batches)
            for batch, answers in zip(batches, passes, strict=True):
                found[batch] = answers.probabilities
                done += len(batch)
                if report:
                    report(done)
        return found


def load(folder: Path, file: str, threads: int, engine: Engine = "onnx") -> Model:
    """The model in `folder`/`file`, with model.json (and a text's tokenizer.json) beside it. Raises TidemillError.

    Each pass has one thread and `threads` passes run side by side: int8 texts alone ran 3.5 times as fast so as with
    two threads in each pass. A pass holds one content for an int8 model of texts: its activations are scaled by the
    largest value in the pass, so that a text's answer would follow its neighbours (on 600 reviews probabilities moved
    by up to 0.19, and 3 % of the classes). `engine`: torch takes the weights that `file` was exported from.
    """
    description = storage.read_json(folder / DESCRIPTION)
    session, encodes = _onnx(folder / file), encoder(folder, description)
    quantised = session.get_modelmeta().producer_name == QUANTISED_BY
    if engine == "torch":
        if quantised:
            raise TidemillError(
                f"{folder / file}: was evaluated in int8, torch would answer otherwise; release in fp32"
            )
        return _in_torch(folder, description, encodes, threads)
    alone = encodes.apart and quantised
    return Model(tuple(description["classes"]), session, encodes, threads, 1 if alone else BATCH)


def _in_torch(folder: Path, description: Mapping[str, Any], encodes: Encoder, threads: int) -> Model:
    from tasks.torch_session import ON_GPU, TorchSession

    session = TorchSession(_encoding(description), folder)
    together = BATCH if session.device.type == "cpu" else ON_GPU
    return Model(tuple(description["classes"]), session, encodes, threads, together)


def _onnx(file: Path) -> Any:
    """ONNX Runtime's session of the file. Raises TidemillError when it cannot be loaded."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = 1, 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a class of its own for each kind of damage
        raise TidemillError(f"{file}: is no model that ONNX Runtime can load ({error})") from error


def encoder(folder: Path, description: Mapping[str, Any]) -> Encoder:
    """What encodes the contents of the model's kind. Raises TidemillError when model.json does not tell its form."""
    kind = _encoding(description)
    if kind.FORM not in description:
        raise TidemillError(f"{folder / DESCRIPTION}: says no {kind.FORM}; run compress again")
    made: Encoder = kind.encoder(folder, description)
    return made


def _encoding(description: Mapping[str, Any]) -> ModuleType:
    """What encodes contents of the kind that model.json tells."""
    return importlib.import_module(f"tasks.encode.{description.get('kind', 'classify_text')}")


def files_beside(kind: str) -> tuple[str, ...]:
    """The files that a model of this kind needs beside its own and model.json."""
    files: tuple[str, ...] = importlib.import_module(f"tasks.encode.{kind}").FILES
    return files
