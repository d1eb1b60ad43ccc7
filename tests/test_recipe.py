"""A recipe is checked before anything runs, and every fault is told at once."""

from pathlib import Path

import pytest

from tasks.errors import RecipeError
from tasks.recipe import json_schema, load

ROOT = Path(__file__).parents[1]


def broken(tmp_path, before, after):
    text = (ROOT / "recipes/feedback.yaml").read_text()
    assert before in text
    file = tmp_path / "feedback.yaml"
    file.write_text(text.replace(before, after, 1))
    return file


@pytest.mark.parametrize("name", ["feedback", "inbox", "digits", "fashion", "cifar10", "finance"])
def test_the_recipes_of_the_project_are_in_order(name):
    assert load(ROOT / f"recipes/{name}.yaml").name == name


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("batch_size", "batch_sise", "train.batch_sise: is no key that a recipe knows; known are: augment, base_model"),
        ("confidence: 0.95", "confidence: 1.5", "evaluate.confidence: input should be less than 1, not 1.5"),
        ("cuts: [-0.5, 0.5]", "cuts: [0.5]", "labels: 3 classes need 2 cuts, not 1"),
        ("cuts: [-0.5, 0.5]", "cuts: [0.5, -0.5]", "must rise and lie between"),
        ("of: amazon", "of: amazone", "which is none of"),
        ("seed: 17", "seed: 17\nseed: 18", "key 'seed' stands twice"),
        ("name: feedback", "name: other", "it must be the file's name, 'feedback'"),
        ("url: pypi:vaderSentiment==3.3.1", "url: pypi:vaderSentiment", "names no version"),
        ("url: pypi:vaderSentiment==3.3.1", "url: ftp:x", "string should match pattern"),
        ("kind: classify_text", "kind: classify", "kind: input should be 'classify_text' or 'classify_image'"),
        ("title: Customer feedback on products\n", "", "title: is missing"),
        ("split: {by: hash, validation: 0.1, test: 0.2}", "split: {test: 0.95}", "leave nothing to train on"),
    ],
)
def test_a_fault_names_the_key_and_what_would_be_right(tmp_path, before, after, words):
    with pytest.raises(RecipeError) as caught:
        load(broken(tmp_path, before, after))
    assert words in str(caught.value)
    assert "feedback.yaml" in str(caught.value)


def test_all_faults_are_told_at_once(tmp_path):
    file = broken(tmp_path, "batch_size", "batch_sise")
    file.write_text(file.read_text().replace("threads: 2", "threads: 0"))
    with pytest.raises(RecipeError, match="2 faults"):
        load(file)


def test_a_missing_recipe_names_those_that_are_there():
    with pytest.raises(RecipeError, match="known are: cifar10, digits, fashion, feedback, finance, inbox"):
        load(ROOT / "recipes/none.yaml")


def test_the_schema_that_editors_read_is_that_of_the_code():
    assert (ROOT / "recipes/recipe.schema.json").read_text() == json_schema()
