"""What every kind of problem keeps: the same inputs give the same bits, at once, again, and after an interruption."""

import copy
import string
import warnings
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from image_records import CLASSES, bars

from tasks import inference, storage, text_model
from tasks.errors import TidemillError
from tasks.recipe import Augment, Recipe, load
from tasks.records import CONTENT_COLUMN
from tasks.train.gradients import Accumulated
from tasks.train.hardware import Hardware, make_deterministic
from tasks.train.loop import Plan, Training

CPU = Hardware("cpu", bf16=False, name="CPU")
CONFIG = {"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
CONFIG |= {"intermediate_size": 64, "vocab_size": 40, "max_position_embeddings": 64}
AUGMENT = {
    "classify_text": Augment(word_dropout=0.2),
    "classify_image": Augment(crop=1, cutout=2, randaugment=3),
}
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Kind:
    """A kind at work on tiny real data."""

    name: str
    recipe: Recipe
    records: pd.DataFrame
    base_model: Path

    def module(self, step: str) -> ModuleType:
        return import_module(f"tasks.{step}.{self.name}")

    def training(self, recipe: Recipe | None = None, **changes: Any) -> tuple[Training, Any]:
        """A fresh training and its examples."""
        make_deterministic(5, threads=1)
        wanted = recipe or self.recipe
        examples = self.module("train").examples(self.records, wanted, self.base_model)
        return Training(
            self.module("train").model(wanted, self.base_model), plan(**changes), len(self.records)
        ), examples


def plan(**changes: Any) -> Plan:
    knobs = {
        "epochs": 2,
        "batch_size": 8,
        "learning_rate": 0.005,
        "head_learning_rate": 0.005,
        "warmup": 0.1,
        "weight_decay": 0.01,
        "patience": 9,
    }
    knobs |= {"validations_per_epoch": 2, "seed": 5, "checkpoint_minutes": 1e-9, "hardware": CPU}
    return Plan(**(knobs | changes))


def with_train(recipe: Recipe, **values: Any) -> Recipe:
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=values)})


def texts(folder: Path) -> Kind:
    """A random two-layer BERT that reads letters, and words whose ends tell their class."""
    import torch
    from safetensors.torch import save_file
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    letters = Tokenizer(models.WordLevel({c: i for i, c in enumerate("?_" + string.ascii_lowercase)}, unk_token="?"))
    letters.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    letters.save(str(folder / "tokenizer.json"))
    storage.write_json(folder / "config.json", CONFIG)
    torch.manual_seed(1)
    save_file(dict(text_model.classifier(CONFIG, 3).encoder.state_dict()), folder / "model.safetensors")
    random = np.random.default_rng(3)
    labels = random.choice(["negative", "neutral", "positive"], 96)
    ends = {"negative": "abc", "neutral": "mno", "positive": "xyz"}
    words = ["".join(random.choice(list(ends[label]), random.integers(3, 20))) for label in labels]
    records = pd.DataFrame({"text": words, "label": labels})
    return Kind("classify_text", load(ROOT / "recipes/feedback.yaml"), records, folder)


def pictures(folder: Path) -> Kind:
    """Noisy images with a bright bar, and a network from nothing."""
    recipe = load(ROOT / "recipes/digits.yaml")
    labels = recipe.labels.model_copy(update={"classes": CLASSES})
    images = recipe.train.images.model_copy(update={"size": 12, "width": 4})
    return Kind(
        "classify_image", with_train(recipe.model_copy(update={"labels": labels}), images=images), bars(96), folder
    )


@pytest.fixture(scope="module", params=[texts, pictures], ids=["texts", "images"])
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kind:
    return request.param(tmp_path_factory.mktemp("base"))


class KilledError(Exception):
    pass


def trained(
    kind: Kind, file: Path, kill_at: int | None = None, **changes: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The weights and history of a training with augmentation that may be cut off in a validation."""
    recipe = with_train(kind.recipe, augment=AUGMENT[kind.name])
    training, examples = kind.training(recipe, **changes)

    def log(step: int, _figures: dict[str, float]) -> None:
        if kill_at is not None and step >= kill_at:
            raise KilledError

    result = training.train(examples, examples, file, "key", log)
    return {name: tensor.clone() for name, tensor in training.model.state_dict().items()}, result


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    import torch

    return all(torch.equal(first[name], second[name]) for name in first)


def test_the_same_inputs_give_the_same_weights_and_the_records_are_left_alone(kind: Kind, tmp_path: Path) -> None:
    before = copy.deepcopy(kind.records)
    first, result = trained(kind, tmp_path / "a")
    second, _ = trained(kind, tmp_path / "b")
    assert same(first, second)
    assert result["history"][-1]["validation_loss"] < 0.7 * result["history"][0]["validation_loss"]
    pd.testing.assert_frame_equal(kind.records, before)


@pytest.mark.parametrize("kill_at", [6, 18])
def test_a_training_that_was_killed_ends_with_the_bits_of_an_uninterrupted_one(
    kind: Kind, tmp_path: Path, kill_at: int
) -> None:
    whole, told = trained(kind, tmp_path / "whole")
    with pytest.raises(KilledError):
        trained(kind, tmp_path / "cut", kill_at)
    resumed, told_again = trained(kind, tmp_path / "cut")
    assert same(whole, resumed)
    assert told == told_again


def test_a_checkpoint_of_other_inputs_is_not_gone_on_from(kind: Kind, tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        trained(kind, tmp_path / "cut", 12)
    training, examples = kind.training()
    training.train(examples, examples, tmp_path / "cut", "another key", lambda _step, _figures: None)
    assert training.progress.history[0]["step"] == 6


def exported(kind: Kind, folder: Path) -> Path:
    """The compressed model of a training, with what lies beside it."""
    training, examples = kind.training()
    training.train(examples, examples, folder / "state", "key", lambda _step, _figures: None)
    train, compress = folder / "train", folder / "compress"
    kind.module("train").save(training.model, kind.recipe, kind.base_model, train)
    compress.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter's own deprecation
        kind.module("compress").export(train, compress / "model.onnx")
    described = {"classes": list(kind.recipe.labels.classes), "kind": kind.name}
    described |= kind.module("compress").describe(kind.recipe, train)
    storage.write_json(compress / "model.json", described)
    for name in inference.files_beside(kind.name):
        (compress / name).write_bytes((train / name).read_bytes())
    kind.module("compress").quantise(compress / "model.onnx", compress / "model.int8.onnx", kind.records, described)
    return folder


def test_what_was_saved_and_exported_answers_as_what_was_trained(kind: Kind, tmp_path: Path) -> None:
    import torch

    folder = exported(kind, tmp_path)
    contents = kind.records[CONTENT_COLUMN[kind.name]].tolist()
    fp32, int8 = (
        inference.load(folder / "compress", file, 1).probabilities(contents)
        for file in ("model.onnx", "model.int8.onnx")
    )
    loaded = import_module({"classify_text": "tasks.text_model", "classify_image": "tasks.image_model"}[kind.name])
    examples = kind.module("train").examples(kind.records, kind.recipe, kind.base_model)
    inputs = examples.batch(range(len(contents)), None).inputs
    with torch.inference_mode():
        scores = loaded.load(folder / "train")(*(torch.from_numpy(values) for values in inputs))
    np.testing.assert_allclose(fp32, torch.softmax(scores, -1).numpy(), atol=1e-5)
    assert (int8.argmax(1) == fp32.argmax(1)).mean() > 0.9


def test_pieces_of_a_batch_give_the_gradient_of_the_whole(kind: Kind) -> None:
    import torch

    found = []
    for rows in (8, 3):
        training, examples = kind.training()
        training.model.eval()  # without dropout and with fixed statistics
        loss, _ = training.gradients.backward(examples.batch(range(8), None), 8, rows)
        gradients = {
            name: value.grad.clone() for name, value in training.model.named_parameters() if value.grad is not None
        }
        found.append((loss, gradients))
    assert float(found[0][0]) == pytest.approx(float(found[1][0]), rel=1e-5)
    for name, gradient in found[0][1].items():
        torch.testing.assert_close(gradient, found[1][1][name], rtol=1e-3, atol=1e-5)


def test_out_of_memory_halves_the_pieces_and_leaves_nothing_of_the_attempt(kind: Kind, capsys: Any) -> None:
    import torch

    training, examples = kind.training()
    expected, _ = kind.training()
    batch = examples.batch(range(8), None)

    def small(*inputs: torch.Tensor) -> torch.Tensor:
        answer = training.model(*inputs)  # the memory is used up when the work is half done
        if len(inputs[0]) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return answer

    limited = Accumulated(training.model, small, CPU, 0.0)
    make_deterministic(7, 1)
    loss, rows = limited.backward(batch, 8, 8)
    make_deterministic(7, 1)
    same_loss, _ = expected.gradients.backward(batch, 8, 2)
    assert rows == 2
    assert torch.equal(loss, same_loss)
    assert same(training.model.state_dict(), expected.model.state_dict())
    assert "out of memory: going on with 4 rows" in capsys.readouterr().out


def test_one_example_that_does_not_fit_ends_in_words(kind: Kind) -> None:
    training, examples = kind.training()

    def full(*_inputs: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(TidemillError, match=r"one example alone does not fit.*train\.recompute"):
        Accumulated(training.model, full, CPU, 0.0).backward(examples.batch(range(4), None), 4, 4)


def test_variation_is_off_by_default_and_never_changes_what_is_kept(kind: Kind) -> None:
    random = np.random.default_rng
    plain = kind.module("train").examples(kind.records, kind.recipe, kind.base_model)
    varied = kind.module("train").examples(
        kind.records, with_train(kind.recipe, augment=AUGMENT[kind.name]), kind.base_model
    )
    rows = range(16)
    assert equal(plain.batch(rows, random(1)), plain.batch(rows, None))
    assert equal(varied.batch(rows, random(1)), varied.batch(rows, random(1)))
    assert not equal(varied.batch(rows, random(1)), varied.batch(rows, random(2)))
    assert equal(varied.batch(rows, None), plain.batch(rows, None))


def equal(one: Any, other: Any) -> bool:
    arrays = zip((*one.inputs, one.targets), (*other.inputs, other.targets), strict=True)
    return all(np.array_equal(first, second) for first, second in arrays)


def test_micro_batches_and_smoothing_train_too(kind: Kind, tmp_path: Path) -> None:
    _, result = trained(kind, tmp_path / "a", micro_batch=3, smoothing=0.1)
    assert result["micro_batch"] == 3
    losses = [entry["validation_loss"] for entry in result["history"]]
    assert min(losses) < losses[0]


@pytest.mark.parametrize("step", ["collect", "prepare", "split", "train", "compress", "evaluate", "encode", "release"])
def test_the_kinds_have_the_same_functions_in_every_step(step: str) -> None:
    names = []
    for kind in CONTENT_COLUMN:
        module = import_module(f"tasks.{step}.{kind}")
        own = {n for n, v in vars(module).items() if getattr(v, "__module__", None) == module.__name__ and n[0] != "_"}
        names.append(own | set(getattr(module, "__all__", ())))
    shared = set.intersection(*names)
    wanted = {
        "collect": {"contents"},
        "prepare": {"cleaned", "compared", "card"},
        "split": {"same"},
        "train": {"examples", "model", "save"},
        "compress": {"METRIC", "METRIC_NAME", "describe", "export", "quantise", "score"},
        "evaluate": {"methods", "statistics", "shown"},
        "encode": {"Encoder", "encoder"},
        "release": {"ANSWER_COLUMNS", "SIMPLEST", "TRUTH_COLUMNS", "against_simplest", "contest"}
        | {"answered", "compared", "diagnosed", "evaluated_columns", "expected", "steps"},
    }
    assert wanted[step] <= shared
