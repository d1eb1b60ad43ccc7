"""A released model at work: ONNX Runtime and the tokenizer, without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks import storage, tokens
from tasks.errors import TidemillError
from tasks.progress import Report

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

BATCH = 16
"""Texts a pass: on two cores larger batches were no faster."""

DESCRIPTION = "model.json"


@dataclass(frozen=True)
class Model:
    """A loaded model: class names in the order of its probabilities."""

    classes: tuple[str, ...]
    session: "InferenceSession"
    tokenizer: "Tokenizer"

    def probabilities(self, texts: Sequence[str], report: Report | None = None) -> NDArray[np.float32]:
        """Probability of each class, texts x classes, float32. Batches hold texts of like length."""
        rows = tokens.encoded(self.tokenizer, texts)
        answers = np.zeros((len(rows), len(self.classes)), dtype=np.float32)
        done = 0
        for batch in tokens.by_length(rows, BATCH):
            ids, mask = tokens.padded([rows[index] for index in batch])
            answers[batch] = self.session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
            done += len(batch)
            if report:
                report(done)
        return answers


def load(folder: Path, file: str, threads: int) -> Model:
    """The model in `folder`/`file`, with tokenizer.json and model.json beside it. Raises TidemillError."""
    import onnxruntime

    description = storage.read_json(folder / DESCRIPTION)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(folder / file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a class of its own for each kind of damage
        raise TidemillError(f"{folder / file}: is no model that ONNX Runtime can load ({error})") from error
    return Model(tuple(description["classes"]), session, tokens.tokenizer(folder, description["max_tokens"]))
