"""The whole lifecycle with its real stages on real reviews, through real Prefect, DVC and MLflow."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_project import REPOSITORY, small_project, write_recipe
from tiny_project import Project, Servers

from tasks import storage, tracking
from tasks.paths import STAGES, Paths

pytest_plugins = ["tiny_project", "small_project"]

AFTER_STAGES = ("measure", "release")


def states(project: Project, recipe: str) -> dict[str, str]:
    """How each stage of a run ended."""
    told = json.loads(project.tidemill("run", recipe, "--json"))
    return {stage["stage"]: stage["state"] for stage in told["stages"]}


def ran(project: Project, recipe: str) -> list[str]:
    """The stages that a run did not find up to date, in order; the fingerprints, which tell what changed, apart."""
    found = states(project, recipe)
    return [stage for stage, state in found.items() if state != "Cached" and stage != "fingerprint"]


def outputs(root: Path, recipe: str) -> dict[str, dict[str, str]]:
    """The md5 of each stage's outputs, as dvc.lock has them."""
    stages = yaml.safe_load((root / "dvc.lock").read_text())["stages"]
    return {name: {out["path"]: out["md5"] for out in stages[f"{name}@{recipe}"]["outs"]} for name in STAGES}


def edited(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))


@pytest.fixture
def paths(small_released: Project) -> Paths:
    return Paths(small_released.root, "small")


def test_a_run_ends_with_a_registered_champion_that_beats_the_majority(
    small_released: Project, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", small_released.environment["MLFLOW_TRACKING_URI"])
    (version,) = tracking.versions("small")
    assert version.aliases == ("champion",)
    gap = storage.read_json(paths.stage("evaluate") / "metrics.json")["differences"]["overall"]["majority"]
    assert gap["weighted_f1"]["low"] > 0
    for stage in STAGES:
        assert (paths.stage(stage) / "card.md").read_text().strip()


@pytest.mark.slow
def test_dvc_alone_gives_the_same_bytes_as_the_flow(
    small_released: Project, small_template: Path, live_servers: Servers, tmp_path: Path
) -> None:
    alone = small_project(small_template, tmp_path, live_servers, "small")
    derived = shutil.ignore_patterns(*STAGES, "fingerprint")
    shutil.copytree(small_released.root / "data", alone.root / "data", ignore=derived)
    # As in an activated environment: the graph's commands begin with `python`.
    path = os.pathsep.join([str(Path(sys.executable).parent), alone.environment["PATH"]])
    environment = {**alone.environment, "PATH": path, "MLFLOW_TRACKING_URI": ""}
    subprocess.run(["dvc", "repro", "evaluate@small", "--quiet"], cwd=alone.root, env=environment, check=True)
    assert outputs(alone.root, "small") == outputs(small_released.root, "small")


@pytest.mark.slow
def test_images_are_released_as_texts_are(
    small_template: Path, live_servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = small_project(small_template, tmp_path, live_servers, "small")
    shutil.copy(REPOSITORY / "recipes" / "digits.yaml", project.root / "recipes")
    (project.root / "recipes" / "all.yaml").write_text("recipes: [digits]\n")
    said = project.tidemill("run", "digits")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", project.environment["MLFLOW_TRACKING_URI"])
    (version,) = tracking.versions("digits")
    assert version.aliases == ("champion",), said


@pytest.mark.slow
def test_an_edit_re_runs_what_depends_on_it_and_nothing_else_and_a_revert_restores(
    small_template: Path, live_servers: Servers, tmp_path: Path
) -> None:
    project = small_project(small_template, tmp_path, live_servers, "edits")
    recipe = project.root / "recipes" / "edits.yaml"
    rows = project.root / "rows.csv"
    rows.write_text("text\nA lamp that gives light.\n")
    own_source: dict[str, Any] = {"name": "own", "url": "file:rows.csv", "columns": {"text": "text"}}
    write_recipe(project.root, "edits", sources=[own_source])
    assert ran(project, "edits") == ["collect", *STAGES, *AFTER_STAGES]
    first = outputs(project.root, "edits")

    edited(recipe, "epochs: 4", "epochs: 3")
    assert ran(project, "edits") == ["train", "compress", "evaluate", *AFTER_STAGES]

    helper = project.root / "tasks" / "evaluate" / "words.py"
    edited(helper, "No class is ever mistaken for another.", "No class is taken for another.")
    assert ran(project, "edits") == ["evaluate", "release"]

    edited(recipe, "epochs: 3", "epochs: 4")
    edited(helper, "No class is taken for another.", "No class is ever mistaken for another.")
    reverted = states(project, "edits")
    assert {stage for stage, state in reverted.items() if state == "Completed"} <= {"fingerprint"}
    assert {stage for stage, state in reverted.items() if state == "Restored"} == {"train", "compress", "evaluate"}
    assert outputs(project.root, "edits") == first

    rows.write_text(rows.read_text() + "A lamp that gives none.\n")
    again = ran(project, "edits")
    # Nobody has labelled the new record: it changes no split, so there is no other model to judge.
    assert again == ["collect", "prepare", "validate", "split"]

    assert project.tidemill("rollback", "edits", "--to", "2").startswith("edits@2 serves again: back from version 1;")
    assert "edits@2 served at" in project.tidemill("served", "edits")
    assert "edits@2: is the champion already" in project.tidemill("rollback", "edits", "--to", "2", exit_code=1)
    assert project.tidemill("rollback", "edits").startswith("edits@1 serves again: back from version 2;")
    assert "edits@9: there is no such version" in project.tidemill("rollback", "edits", "--to", "9", exit_code=1)
