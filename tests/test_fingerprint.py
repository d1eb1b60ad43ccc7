"""A stage is stale when something it can reach has changed, and only then."""

from pathlib import Path

import pytest

from tasks.errors import RecipeError
from tasks.fingerprint import code
from tasks.fingerprint.run import fingerprint
from tasks.fingerprint.sections import SECTIONS, view
from tasks.paths import STAGES
from tasks.recipe import load

ROOT = Path(__file__).parents[1]
MODULES = {
    "tasks/__init__.py": "",
    "tasks/core.py": "import numpy as np\nLIMIT = 3\n\ndef used(x):\n    '''Doc.'''\n    return np.abs(x) + LIMIT\n\ndef unused(x):\n    return x\n",
    "tasks/step/__init__.py": "",
    "tasks/step/run.py": "from tasks import core\n\ndef run(recipe, paths):\n    return core.used(1)\n",
}


@pytest.fixture
def project(tmp_path):
    for name, text in MODULES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def found(project):
    code.parsed.cache_clear()
    code._hash.cache_clear()
    return code.reach(project, [("tasks.step.run", "run")])


def edited(project, before, after):
    file = project / "tasks/core.py"
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, after))
    return found(project)


def test_everything_that_can_be_called_is_found_with_the_packages_it_uses(project):
    assert set(found(project).definitions) == {"tasks.step.run.run", "tasks.core.used", "tasks.core.LIMIT"}
    assert found(project).packages == {"numpy"}


@pytest.mark.parametrize(("before", "after"), [("np.abs(x)", "np.sign(x)"), ("LIMIT = 3", "LIMIT = 4")])
def test_an_edit_of_what_is_reached_changes_the_fingerprint(project, before, after):
    assert found(project).definitions != edited(project, before, after).definitions


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Doc.", "Another."),
        ("def unused(x):\n    return x", "def unused(x):\n    return -x"),
        ("LIMIT = 3", "LIMIT  =  3  # ok"),
    ],
)
def test_docstrings_layout_and_unreached_functions_change_nothing(project, before, after):
    assert found(project).definitions == edited(project, before, after).definitions


def test_what_a_kind_takes_from_its_family_and_offers_as_its_own_is_reached(project):
    (project / "tasks/step/run.py").write_text(
        "import importlib\n\ndef run(recipe, paths):\n    return importlib.import_module(f'tasks.step.{recipe.kind}').used(1)\n"
    )
    (project / "tasks/step/mine.py").write_text("from tasks.core import unused, used\n\n__all__ = ['used']\n")
    code.parsed.cache_clear()
    reached = code.reach(project, [("tasks.step.run", "run")], "mine")
    assert {"tasks.core.used", "tasks.core.LIMIT"} <= set(reached.definitions)
    assert "tasks.core.unused" not in reached.definitions


def test_every_stage_of_the_graph_has_its_values_declared():
    assert set(SECTIONS) == set(STAGES)


def test_a_stage_cannot_read_a_value_that_it_did_not_declare():
    recipe = view(load(ROOT / "recipes/feedback.yaml"), "train")
    assert recipe.labels.classes == ("negative", "neutral", "positive")
    with pytest.raises(RecipeError, match="stage train reads 'consensus'"):
        _ = recipe.labels.consensus


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_of_the_real_recipe_reaches_its_own_run_and_the_storage(stage):
    made = fingerprint(load(ROOT / "recipes/feedback.yaml"), ROOT, stage)
    assert f"tasks.{stage}.run.run" in made["code"]
    assert any(name.startswith("tasks.storage.") for name in made["code"])


def test_a_template_and_a_suite_belong_to_the_stage_that_reads_them():
    recipe = load(ROOT / "recipes/feedback.yaml")
    assert "tasks/evaluate/report.html.j2" in fingerprint(recipe, ROOT, "evaluate")["files"]
    assert "expectations/rated_labels.json" in fingerprint(recipe, ROOT, "validate")["files"]
