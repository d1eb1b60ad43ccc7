"""Same inputs, same bits: at once, again, and after an interruption. With a tiny real transformer."""

import copy
import itertools
import string
import warnings

import numpy as np
import pandas as pd
import pytest

from tasks import inference, storage, text_model
from tasks.compress import classify_text as export
from tasks.paths import Paths
from tasks.recipe import load
from tasks.train import classify_text
from tasks.train.batches import epoch_batches
from tasks.train.hardware import Hardware, make_deterministic
from tasks.train.loop import Plan, Training

CPU = Hardware("cpu", bf16=False, name="CPU")
CONFIG = {"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
CONFIG |= {"intermediate_size": 64, "vocab_size": 40, "max_position_embeddings": 64}


@pytest.fixture(scope="module")
def recipe(request):
    return load(request.config.rootpath / "recipes/feedback.yaml")


@pytest.fixture(scope="module")
def base_model(tmp_path_factory):
    """A random two-layer BERT that reads letters."""
    import torch
    from safetensors.torch import save_file
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("base")
    letters = Tokenizer(models.WordLevel({c: i for i, c in enumerate("?_" + string.ascii_lowercase)}, unk_token="?"))
    letters.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    letters.save(str(folder / "tokenizer.json"))
    storage.write_json(folder / "config.json", CONFIG)
    torch.manual_seed(1)
    save_file(dict(text_model.classifier(CONFIG, 3).encoder.state_dict()), folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def records():
    random = np.random.default_rng(3)
    labels = random.choice(["negative", "neutral", "positive"], 96)
    ends = {"negative": "abc", "neutral": "mno", "positive": "xyz"}
    texts = ["".join(random.choice(list(ends[label]), random.integers(3, 20))) for label in labels]
    return pd.DataFrame({"text": texts, "label": labels})


def plan(**changes):
    knobs = {"epochs": 2, "batch_size": 8, "learning_rate": 0.005, "warmup": 0.1, "weight_decay": 0.01, "patience": 9}
    knobs |= {"validations_per_epoch": 2, "seed": 5, "checkpoint_minutes": 1e-9, "hardware": CPU}
    return Plan(**(knobs | changes))


class KilledError(Exception):
    pass


def trained(recipe, base_model, records, file, kill_at=None):
    """The weights and history of a training that may be cut off in its second validation."""
    make_deterministic(5, threads=1)
    examples = classify_text.examples(records, recipe, base_model)
    training = Training(classify_text.model(recipe, base_model), plan(), len(records))

    def log(step, figures):
        if kill_at is not None and step >= kill_at:
            raise KilledError

    result = training.train(examples, examples, file, "key", log)
    return {name: tensor.clone() for name, tensor in training.model.state_dict().items()}, result


def same(first, second):
    import torch

    return all(torch.equal(first[name], second[name]) for name in first)


def test_the_same_inputs_give_the_same_weights_and_the_records_are_left_alone(recipe, base_model, records, tmp_path):
    before = copy.deepcopy(records)
    first, result = trained(recipe, base_model, records, tmp_path / "a")
    second, _ = trained(recipe, base_model, records, tmp_path / "b")
    assert same(first, second)
    assert result["history"][-1]["validation_loss"] < 0.5 < result["history"][0]["validation_loss"]
    pd.testing.assert_frame_equal(records, before)


@pytest.mark.parametrize("kill_at", [6, 12, 18, 24])
def test_a_training_that_was_killed_ends_with_the_bits_of_an_uninterrupted_one(
    recipe, base_model, records, tmp_path, kill_at
):
    whole, told = trained(recipe, base_model, records, tmp_path / "whole")
    with pytest.raises(KilledError):
        trained(recipe, base_model, records, tmp_path / "cut", kill_at)
    resumed, told_again = trained(recipe, base_model, records, tmp_path / "cut")
    assert same(whole, resumed)
    assert told == told_again


def test_an_epoch_sees_every_example_once_in_another_order_each_time():
    lengths = list(range(1, 101))
    first, second = (epoch_batches(lengths, 8, 17, epoch) for epoch in (0, 1))
    assert sorted(itertools.chain.from_iterable(first)) == list(range(100))
    assert first != second
    assert first == epoch_batches(lengths, 8, 17, 0)


def test_the_exported_model_answers_as_the_trained_one(recipe, base_model, records, tmp_path):
    import torch

    from tasks import tokens

    make_deterministic(5, threads=1)
    model = classify_text.model(recipe, base_model)
    classify_text.save(model, recipe, base_model, tmp_path / "train")
    (tmp_path / "compress").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter's own deprecation
        export.export(tmp_path / "train", tmp_path / "compress/model.onnx")
    described = {"classes": list(recipe.labels.classes), "max_tokens": 16, "kind": "classify_text"}
    storage.write_json(tmp_path / "compress/model.json", described)
    (tmp_path / "compress/tokenizer.json").write_bytes((base_model / "tokenizer.json").read_bytes())
    answers = inference.load(tmp_path / "compress", "model.onnx", 1).probabilities(records["text"].tolist())
    rows = tokens.encoded(tokens.tokenizer(base_model, 16), records["text"].tolist())
    ids, mask = (torch.from_numpy(array) for array in tokens.padded(rows))
    with torch.inference_mode():
        expected = torch.softmax(text_model.load(tmp_path / "train")(ids, mask), -1).numpy()
    np.testing.assert_allclose(answers, expected, atol=1e-5)


def test_paths_of_a_recipe_lie_below_its_own_folder(tmp_path):
    assert Paths(tmp_path, "feedback").stage("train") == tmp_path / "data/feedback/train"
