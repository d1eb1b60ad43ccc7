"""The endpoint that will serve answers as the model was evaluated, or the step that broke is named."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_model import TEXTS, recipe, write_stages

from tasks import storage
from tasks.paths import Paths
from tasks.recipe import Parity, Recipe
from tasks.release import probes
from tasks.release.class_parity import compared, evaluated_columns
from tasks.release.parity import Report, parity
from tasks.release.probes import chosen
from tasks.release.weights import rescaled

pytest_plugins = ["small_model"]

SERVED = ("model.onnx", "model.int8.onnx", "tokenizer.json", "model.json")


@pytest.fixture
def version(small_stages: Paths, tmp_path: Path) -> Path:
    """The artifacts of a sound version, ours to break."""
    folder = tmp_path / "version"
    folder.mkdir()
    for name in SERVED:
        shutil.copy(small_stages.stage("compress") / name, folder / name)
    probes.write(recipe(), small_stages, folder)
    return folder


def asked(folder: Path, **changes: object) -> Report:
    return parity(recipe(**changes), folder)


def edit(file: Path, **changes: object) -> None:
    storage.write_json(file, {**storage.read_json(file), **changes})


def rewrite_weights(file: Path, ending: str, change: object) -> None:
    """Change the first initializer whose name ends so."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(file)
    tensor = next(t for t in model.graph.initializer if t.name.endswith(ending))
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), tensor.name))
    onnx.save(model, file)


def test_a_sound_version_passes_to_the_last_bit(version: Path) -> None:
    report = asked(version)
    assert report.passed, report.reason
    assert report.largest_difference < 1e-6
    assert report.equal_classes == 1.0
    assert report.probes == TEXTS
    assert report.step is None
    assert json.dumps(report.figures())


def test_an_endpoint_in_torch_answers_as_the_exported_model_was_evaluated(tmp_path: Path) -> None:
    paths, folder = Paths(tmp_path / "project", "small"), tmp_path / "version"
    write_stages(paths, "model.onnx")
    for stage in ("train", "compress"):
        shutil.copytree(paths.stage(stage), folder, dirs_exist_ok=True)
    said = recipe(serve={"engine": "torch"}, compress={"int8": False})
    probes.write(said, paths, folder)
    report = parity(said, folder)
    assert report.passed, report.reason
    assert 0 < report.largest_difference < 1e-5


def test_swapped_labels_are_named(version: Path) -> None:
    edit(version / "model.json", classes=["positive", "neutral", "negative"])
    report = asked(version)
    assert not report.passed
    assert report.step == "label order"
    assert "positive for negative, negative for positive" in report.reason


def test_another_truncation_length_is_named_with_both_lengths(version: Path) -> None:
    edit(version / "model.json", max_tokens=8)
    report = asked(version)
    assert report.step == "truncation"
    assert "texts are cut after 8 tokens, evaluated after 24" in report.reason


def test_missing_lower_casing_is_named(version: Path) -> None:
    edit(version / "tokenizer.json", normalizer=None)
    report = asked(version)
    assert report.step == "lower-casing"
    assert not report.passed


def test_another_vocabulary_is_named_as_the_tokeniser(version: Path) -> None:
    reader = storage.read_json(version / "tokenizer.json")
    words = reader["model"]["vocab"]
    words["bad"], words["bell"] = words["bell"], words["bad"]
    storage.write_json(version / "tokenizer.json", reader)
    report = asked(version)
    assert report.step == "tokeniser"


def test_a_bad_scale_is_named_with_its_tensor_and_factor(version: Path) -> None:
    rewrite_weights(version / "model.int8.onnx", "head.weight_Transposed_scale", lambda scale: scale * 3)
    report = asked(version)
    assert report.step == "scale"
    assert "model.head.weight_Transposed stands for 3.00 times its fp32 weights" in report.reason


def test_damaged_int8_values_are_named_as_quantisation(version: Path) -> None:
    random = np.random.default_rng(1)
    rewrite_weights(version / "model.int8.onnx", "word_embeddings.weight_quantized", random.permutation)
    report = asked(version)
    assert report.step in ("quantisation", "scale"), report.reason
    assert "int8" in report.reason


def test_weights_of_another_training_are_named_as_another_model(version: Path) -> None:
    for file in ("model.onnx", "model.int8.onnx"):
        (version / file).unlink()
    from small_model import write_stages

    other = Paths(version.parent / "other", "small")
    write_stages(other, seed=2)
    for file in ("model.onnx", "model.int8.onnx"):
        shutil.copy(other.stage("compress") / file, version / file)
    assert asked(version).step == "model"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json: is missing"),
        (lambda folder: (folder / "model.int8.onnx").write_bytes(b"\x80\x04pickle"), "no model that ONNX Runtime can"),
        (lambda folder: edit(folder / "model.json", served="model.pkl"), "only an .onnx file beside it is"),
        (lambda folder: edit(folder / "model.json", classes=["a", "b", "c"]), "no answer that can be read"),
    ],
)
def test_an_endpoint_that_does_not_answer_is_blocked_with_its_reason(version: Path, fault, words: str) -> None:
    fault(version)
    report = asked(version)
    assert (report.passed, report.step, report.largest_difference) == (False, "endpoint", 1.0)
    assert words in report.reason


def test_the_budget_of_the_recipe_decides(version: Path) -> None:
    table = storage.read_table(version / probes.FILE)
    columns = evaluated_columns(recipe())
    storage.write_table(version / probes.FILE, table.assign(**{columns[0]: table[columns[0]] + 0.03}))
    strict = asked(version)
    assert (strict.passed, strict.step) == (False, "precision")
    assert "see gate.parity" in strict.reason
    assert asked(version, gate={"parity": {"largest_difference": 0.05, "equal_classes": 0.9}}).passed


def test_probes_are_the_same_rows_again_with_the_longest_texts_among_them(small_stages: Paths) -> None:
    few = recipe(gate={"parity": {"probes": 40}})
    table = probes.probes(few, small_stages)
    assert table.equals(probes.probes(few, small_stages))
    assert len(table) == 40
    test = storage.read_table(small_stages.stage("split") / "test.parquet")
    assert table["text"].map(len).max() == test["text"].map(len).max()
    fewer = test.drop(test.index[test["record_id"] == table["record_id"].iloc[-1]])
    assert len(set(probes.chosen(fewer, "text", 40)["record_id"]) & set(table["record_id"])) == 39


def test_a_sound_pair_of_files_has_no_wrong_scale(small_stages: Paths) -> None:
    folder = small_stages.stage("compress")
    assert rescaled(folder / "model.onnx", folder / "model.int8.onnx") == []


def test_closeness_takes_the_worst_probability_and_the_share_of_equal_classes() -> None:
    expected = np.array([[0.9, 0.1], [0.4, 0.6]])
    answered = np.array([[0.8, 0.2], [0.6, 0.4]])
    found = compared(expected, answered, Parity(largest_difference=0.21, equal_classes=0.5))
    assert (found.largest_difference, found.equal, found.passed) == (pytest.approx(0.2), 0.5, True)
    assert not compared(expected, answered, Parity(largest_difference=0.19, equal_classes=0.5)).passed
    assert not compared(expected, answered, Parity(largest_difference=0.21, equal_classes=0.51)).passed


def test_a_recipe_declares_the_budget() -> None:
    declared: Recipe = recipe(gate={"parity": {"probes": 7, "largest_difference": 0.5, "equal_classes": 0.5}})
    assert declared.gate.parity.probes == 7


def test_a_content_that_no_request_could_hold_is_no_probe():
    test = pd.DataFrame({"record_id": ["a", "b", "c"], "text": ["short", "x" * 200_000, "longer"]})
    assert set(chosen(test, "text", 3)["record_id"]) == {"a", "c"}
