"""The whole lifecycle with its real stages on real reviews, through real Prefect, DVC and MLflow."""

import pytest
from tiny_project import Project

from tasks import storage, tracking
from tasks.paths import STAGES, Paths

pytest_plugins = ["tiny_project", "small_project"]


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
