"""A released model at work: ONNX Runtime and the tokenizer, without torch."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
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

QUANTISED_BY = "onnx.quantize"
"""What ONNX Runtime's quantiser leaves as the producer of its files."""

DESCRIPTION = "model.json"


@dataclass(frozen=True)
class Answers:
    """What a model says to some texts: probabilities (texts x classes) and embeddings (texts x width), float32.

    The embeddings are None for a model that was exported without them.
    """

    probabilities: NDArray[np.float32]
    embeddings: NDArray[np.float32] | None


@dataclass(frozen=True)
class Model:
    """A loaded model: class names in the order of its probabilities, and how many passes run side by side."""

    classes: tuple[str, ...]
    session: "InferenceSession"
    tokenizer: "Tokenizer"
    threads: int

    @property
    def together(self) -> int:
        """How many texts a pass may hold.

        One for an int8 model: its activations are scaled by the largest value in the pass, so that a text's answer
        would follow its neighbours (on 600 reviews probabilities moved by up to 0.19, and 3 % of the classes).
        """
        return 1 if self.session.get_modelmeta().producer_name == QUANTISED_BY else BATCH

    def answers(self, rows: list[list[int]]) -> Answers:
        """One pass over token ids, on one thread."""
        ids, mask = tokens.padded(rows)
        found = self.session.run(None, {"input_ids": ids, "attention_mask": mask})
        return Answers(found[0], found[1] if len(found) > 1 else None)

    def probabilities(self, texts: Sequence[str], report: Report | None = None) -> NDArray[np.float32]:
        """Probability of each class, texts x classes, float32. Passes hold texts of like length."""
        rows = tokens.encoded(self.tokenizer, texts)
        found = np.zeros((len(rows), len(self.classes)), dtype=np.float32)
        batches = list(tokens.by_length(rows, self.together))
        done = 0
        with ThreadPoolExecutor(self.threads) as pool:
            passes = pool.map(lambda batch: self.answers([rows[index] for index in batch]), batches)
            for batch, answers in zip(batches, passes, strict=True):
                found[batch] = answers.probabilities
                done += len(batch)
                if report:
                    report(done)
        return found


def load(folder: Path, file: str, threads: int) -> Model:
    """The model in `folder`/`file`, with tokenizer.json and model.json beside it. Raises TidemillError.

    Each pass has one thread and `threads` passes run side by side: int8 texts alone ran 3.5 times as fast so as with
    two threads in each pass.
    """
    import onnxruntime

    description = storage.read_json(folder / DESCRIPTION)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = 1, 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(folder / file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a class of its own for each kind of damage
        raise TidemillError(f"{folder / file}: is no model that ONNX Runtime can load ({error})") from error
    loaded = tokens.tokenizer(folder, description["max_tokens"])
    return Model(tuple(description["classes"]), session, loaded, threads)
