"""A served model in a folder, as small as can be: real ONNX, a real tokenizer, one word a text, any answer one likes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from tasks import storage

SURE = 1.4
"""A logit that makes two classes' softmax 0.8."""


def write_model(folder: Path, classes: tuple[str, ...], answers: Mapping[str, str], padding: int = 0) -> None:
    """Leave model.onnx, tokenizer.json and model.json of a model that answers `answers[text]`.

    `padding`: so many bytes of no use make the file larger.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = {"[UNK]": 0, **{text: number for number, text in enumerate(answers, start=1)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    logits = np.zeros((len(words), len(classes)), dtype=np.float32)
    for text, answer in answers.items():
        logits[words[text], classes.index(answer)] = SURE
    nodes = [
        helper.make_node("Gather", ["logits", "input_ids"], ["each"]),
        helper.make_node("ReduceMean", ["each"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Softmax", ["mean"], ["probabilities"], axis=-1),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", len(classes)])
    graph = helper.make_graph(nodes, "tiny", inputs, [output], [numpy_helper.from_array(logits, "logits")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    model.doc_string = "x" * padding
    onnx.save(model, str(folder / "model.onnx"))
    storage.write_json(
        folder / "model.json",
        {"classes": list(classes), "max_tokens": 8, "served": "model.onnx", "kind": "classify_text"},
    )
