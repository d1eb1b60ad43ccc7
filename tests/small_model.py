"""A tiny real text classifier with everything that the stages leave of it: made in seconds, without training.

PYTEST_DONT_REWRITE: the test files import it before pytest registers it.
"""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks import inference, model_files, storage, text_model
from tasks.compress import classify_text as onnx_export
from tasks.compress.quantise import quantise
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.records import record_id

CLASSES = ("negative", "neutral", "positive")
WORDS = [f"{start}{end}" for start in "bcdfghklmnprst" for end in ("ad", "ell", "ood", "ine", "ust")]
CONFIG = {"model_type": "bert", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
CONFIG |= {"intermediate_size": 96, "vocab_size": len(WORDS) + 4, "max_position_embeddings": 64}
MAX_TOKENS = 24
TEXTS = 160


def recipe(**changes: object) -> Recipe:
    """A recipe for the tiny model; `changes` by section."""
    content = {
        "name": "small",
        "title": "A small recipe",
        "kind": "classify_text",
        "sources": [{"name": "texts", "url": "file:texts.csv", "columns": {"text": 0}}],
        "labels": {"classes": CLASSES},
        "train": {"base_model": {"url": "file:model"}, "max_tokens": MAX_TOKENS},
    }
    return Recipe.model_validate({**content, **changes})


def texts(count: int, seed: int = 5) -> list[str]:
    """Sentences of 2 to 40 of the model's words, every third with capitals."""
    random = np.random.default_rng(seed)
    made = [" ".join(random.choice(WORDS, random.integers(2, 40))) for _ in range(count)]
    return [text.title() if number % 3 == 0 else text for number, text in enumerate(made)]


def write_trained(folder: Path, seed: int = 1) -> None:
    """A two-layer BERT with wild random weights, so that its answers to different texts differ."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    reader = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    reader.normalizer = normalizers.Lowercase()
    reader.pre_tokenizer = pre_tokenizers.Whitespace()
    folder.mkdir(parents=True, exist_ok=True)
    reader.save(str(folder / "tokenizer.json"))
    torch.manual_seed(seed)
    model = text_model.classifier(CONFIG, len(CLASSES))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2:
                weight.mul_(4.0 if "head" not in name else 12.0)
    model_files.save(model, folder, {**CONFIG, "classes": list(CLASSES), "max_tokens": MAX_TOKENS})


def write_stages(paths: Paths, served: str = "model.int8.onnx", seed: int = 1) -> None:
    """What train, compress, split and evaluate leave, as far as a release needs it."""
    write_trained(paths.stage("train"), seed)
    folder = paths.stage("compress")
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        onnx_export.export(paths.stage("train"), folder / "model.onnx")
    quantise(folder / "model.onnx", folder / "model.int8.onnx")
    storage.write_bytes(folder / "tokenizer.json", (paths.stage("train") / "tokenizer.json").read_bytes())
    description = {"classes": list(CLASSES), "kind": "classify_text", "max_tokens": MAX_TOKENS, "served": served}
    storage.write_json(folder / "model.json", description)
    rows = texts(TEXTS)
    test = pd.DataFrame({"record_id": [record_id(text) for text in rows], "text": rows})
    storage.write_table(paths.stage("split") / "test.parquet", test)
    found = inference.load(folder, served, 2).probabilities(rows)
    columns = {f"p_{name}": found[:, number] for number, name in enumerate(CLASSES)}
    storage.write_table(paths.stage("evaluate") / "predictions.parquet", test[["record_id"]].assign(**columns))


@pytest.fixture(scope="session")
def small_stages(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """The stage outputs of the tiny model, made once; nobody writes there."""
    paths = Paths(tmp_path_factory.mktemp("small_model"), "small")
    write_stages(paths)
    return paths
