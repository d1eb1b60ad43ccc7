"""The command line: what it answers, and how it fails."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_project import Project

from flows import recipe_list
from flows.server_commands import NAMES
from tasks.errors import RecipeError

pytest_plugins = ["tiny_project"]

ROOT = Path(__file__).parents[1]


def test_help_comes_at_once_and_without_slow_imports(offline_project: Project) -> None:
    started = time.process_time(), time.monotonic()
    assert "lifecycle" in offline_project.tidemill("--help")
    assert time.monotonic() - started[1] < 5, "1 s on an idle machine"
    command = [sys.executable, "-X", "importtime", "-m", "flows.cli", "--help"]
    told = subprocess.run(command, cwd=offline_project.root, capture_output=True, text=True, check=True).stderr
    imported = {line.rpartition("|")[2].strip() for line in told.splitlines()}
    assert {"prefect", "pandas", "mlflow", "dvc", "torch"} & imported == set()


def test_outside_a_project_there_is_one_clear_line(offline_project: Project, tmp_path: Path) -> None:
    outside = Project(tmp_path, offline_project.environment)
    output = outside.tidemill("status", exit_code=1)
    assert output.startswith(f"error: {tmp_path}: no tidemill project here or above")
    assert len(output.splitlines()) == 1


def test_debug_shows_the_traceback(offline_project: Project) -> None:
    assert "Traceback" not in offline_project.tidemill("check", "nothing", exit_code=1)
    assert "Traceback" in offline_project.tidemill("--debug", "check", "nothing", exit_code=1)


def test_a_wrong_word_is_told_with_the_right_one(offline_project: Project) -> None:
    assert "Did you mean 'status'?" in offline_project.tidemill("statu", exit_code=2)


def test_status_without_servers_says_so_and_where_things_are(offline_project: Project) -> None:
    told = json.loads(offline_project.tidemill("status", "--json"))
    assert {server["name"]: server["state"] for server in told["servers"]} == dict.fromkeys(NAMES, "stopped")
    assert told["folders"]["project"] == str(offline_project.root)
    assert "stopped" in offline_project.tidemill("status")
    assert offline_project.tidemill("down") == "nothing was running\n"


def test_an_unknown_recipe_is_told_with_the_known_ones_before_any_server_starts(offline_project: Project) -> None:
    output = offline_project.tidemill("run", "tinny", exit_code=1)
    assert output.strip().endswith("there is no such recipe; known are: tiny")
    assert not (offline_project.home / "servers").exists()


def test_recipes_are_listed_with_their_faults(offline_project: Project) -> None:
    broken = offline_project.root / "recipes" / "broken.yaml"
    broken.write_text("name: broken\nkindd: classify_text\n")
    found = {row["name"]: row for row in json.loads(offline_project.tidemill("recipes", "--json"))}
    assert found["tiny"] == {
        "name": "tiny",
        "kind": "classify_text",
        "title": "A tiny recipe",
        "listed": True,
        "fault": None,
    }
    assert found["broken"]["listed"] is False
    assert "kindd" in found["broken"]["fault"]
    assert "A tiny recipe" in offline_project.tidemill("recipes")


def test_a_new_recipe_is_a_valid_copy_that_dvc_runs(offline_project: Project) -> None:
    assert "made recipes/second.yaml from tiny" in offline_project.tidemill("new", "second", "--from", "tiny")
    text = (offline_project.root / "recipes" / "second.yaml").read_text()
    assert text == (offline_project.root / "recipes" / "tiny.yaml").read_text().replace("name: tiny", "name: second", 1)
    listed = (offline_project.root / "recipes" / "all.yaml").read_text()
    assert listed == "# What dvc.yaml runs.\nrecipes: [tiny, second]\n"
    output = offline_project.tidemill("new", "second", "--from", "tiny", exit_code=1)
    assert "second.yaml: exists already" in output
    assert (offline_project.root / "recipes" / "second.yaml").read_text() == text


@pytest.mark.parametrize("name", ["Second", "2nd", "a-b", "../x", "all", ""])
def test_a_name_that_no_recipe_may_have_is_refused(offline_project: Project, name: str) -> None:
    with pytest.raises(RecipeError, match="is no name for a recipe"):
        recipe_list.copy(offline_project.root, name, "tiny")


def test_the_list_of_recipes_may_be_written_line_by_line(offline_project: Project) -> None:
    file = offline_project.root / "recipes" / "all.yaml"
    file.write_text("# first\nrecipes:\n  - tiny\n  - inbox\n# last\n")
    assert recipe_list.add(offline_project.root, "third")
    assert file.read_text() == "# first\nrecipes: [tiny, inbox, third]\n# last\n"
    assert not recipe_list.add(offline_project.root, "third")


def test_a_list_of_recipes_that_is_none_is_told(offline_project: Project) -> None:
    (offline_project.root / "recipes" / "all.yaml").write_text("recipes: tiny\n")
    with pytest.raises(RecipeError, match=r"all\.yaml: has to say which recipes run, such as"):
        recipe_list.listed(offline_project.root)


def test_check_accepts_our_recipes_and_names_a_typo_in_a_suite(offline_project: Project) -> None:
    suites = offline_project.root / "expectations"
    shutil.copytree(ROOT / "expectations", suites, dirs_exist_ok=True)
    assert recipe_list.faults(offline_project.root, "tiny") == []
    text = (suites / "text_records.json").read_text()
    (suites / "text_records.json").write_text(text.replace("expect_column_values_to_not_be_null", "expect_no_null"))
    (fault,) = recipe_list.faults(offline_project.root, "tiny")
    assert "text_records.json" in fault
    assert "expect_no_null is no expectation" in fault


def test_the_schema_is_written_where_editors_look(offline_project: Project) -> None:
    offline_project.tidemill("schema")
    schema = json.loads((offline_project.root / "recipes" / "recipe.schema.json").read_text())
    assert "labels" in schema["properties"]


def test_collect_runs_without_servers(offline_project: Project) -> None:
    output = offline_project.tidemill("collect", "tiny")
    assert "collect | collect says go" in output
    assert not (offline_project.home / "servers").exists()
