"""A federation over real processes, TLS and keys on loopback, to a registered version."""

import json
from pathlib import Path

import httpx
import pytest
from small_project import small_project
from tiny_project import Project, Servers, running_in

pytest_plugins = ["tiny_project", "small_project"]
pytestmark = pytest.mark.slow


def mlflow_version(project: Project, recipe: str) -> dict[str, str]:
    """The tags of the newest version."""
    from tasks import tracking

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", project.environment["MLFLOW_TRACKING_URI"])
        return dict(tracking.versions(recipe)[-1].tags)


@pytest.fixture(scope="module")
def federated(small_template: Path, live_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with its two domains federated once, in two rounds."""
    knobs = {"rounds": 2, "round_seconds": 240, "local_epochs": 4, "personal": True}
    project = small_project(small_template, tmp_path_factory.mktemp("federated"), live_servers, "silos", federate=knobs)
    output = project.tidemill("federate", "silos")
    (project.root / "output.txt").write_text(output)
    return project


def test_silos_train_one_model_which_is_released_as_any_other(federated: Project) -> None:
    output = (federated.root / "output.txt").read_text()
    assert "round 2/2: 2 silos" in output
    assert "taking the federated model: fedavg of head, 2 silos, 2 rounds" in output
    tags = mlflow_version(federated, "silos")
    assert tags["federated"] == "fedavg of head, 2 silos, 2 rounds"
    manifest = json.loads((federated.root / "data/silos/federated/federation.json").read_text())
    for silo in ("films", "products"):
        assert f"{silo} ({manifest['silos'][silo]['data_sha256'][:12]})" in tags["silos"]
    assert running_in(federated.root) == []


def test_the_table_of_rounds_in_prefect_has_each_round_and_silo(federated: Project, live_servers: Servers) -> None:
    asked = {"artifacts": {"key": {"any_": ["silos-rounds"]}}}
    answer = httpx.post(f"{live_servers.urls['prefect']}/api/artifacts/filter", json=asked, timeout=30)
    (artifact,) = answer.json()
    rows = json.loads(artifact["data"])
    assert [row["round"] for row in rows] == [1, 2, 2]
    assert all(row["films"].endswith(" s") and row["missing"] == "" for row in rows)
    page = (federated.home / "federate" / "silos" / "card.md").read_text()
    assert "## How unlike their texts are" in page


def test_no_text_and_no_key_of_a_silo_is_in_what_it_sent_or_in_a_log(federated: Project) -> None:
    home = federated.home / "federate" / "silos"
    sent = (home / "silos" / "films" / "sent.jsonl").read_text().splitlines()
    assert [json.loads(line)["what"] for line in sent] == ["train", "train", "finish"]
    assert set(json.loads(sent[0])["arrays"]) == {"head.bias", "head.weight"}
    secrets = [line for line in (home / "certificates/silos/films.key").read_text().splitlines() if "KEY" not in line]
    for log in home.rglob("*.log"):
        assert secrets[1] not in log.read_text()
    assert (home / "certificates/silos/films.key").stat().st_mode & 0o077 == 0


def test_a_second_federation_of_the_same_records_runs_nothing_and_undo_trains_here_again(federated: Project) -> None:
    again = json.loads(federated.tidemill("federate", "silos", "--json"))
    assert {stage["state"] for stage in again["stages"]} == {"Cached"}
    assert "the federated model is out" in federated.tidemill("federate", "silos", "--undo")
    told = json.loads(federated.tidemill("run", "silos", "--json"))
    states = {stage["stage"]: stage["state"] for stage in told["stages"]}
    assert (states["split"], states["train"]) == ("Cached", "Completed")
    assert "federated" not in mlflow_version(federated, "silos")
