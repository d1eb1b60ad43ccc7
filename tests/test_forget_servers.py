"""A record in servers of the user's own: MLflow's artifacts are cleaned and Prefect's runs go, each by its API."""

import html
import uuid
from pathlib import Path

import httpx
import pandas as pd
import pytest
from tiny_project import Servers

from tasks import checksums, storage, tracking
from tasks.forget import artifacts
from tasks.forget.exposure import exposures
from tasks.forget.seals import reseal
from tasks.forget.search import Found
from tasks.forget.target import of_texts
from tasks.records import record_id

pytest_plugins = ["tiny_project"]

TEXT = "My name is Ada Example, and <the parcel> that you sent to me & mine in May was 'broken'."
OTHER = "Somebody else was content."
TARGET = of_texts([TEXT])


@pytest.fixture
def recipe() -> str:
    return f"r{uuid.uuid4().hex[:8]}"


def test_the_artifacts_of_every_version_are_cleaned_in_their_places(
    live_servers: Servers, recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", live_servers.urls["mlflow"])
    files = tmp_path / "files"
    answers = pd.DataFrame({"record_id": [record_id(TEXT), record_id(OTHER)], "predicted": ["a", "b"]})
    storage.write_table(files / "predictions.parquet", answers)
    storage.write_text(files / "report.html", f"<p>{html.escape(TEXT[:60])}…</p><p>{OTHER}</p>")
    storage.write_text(files / "model_card.md", OTHER)
    version = tracking.register(tracking.Release(recipe, "title", "", files, {}, {}, {}))
    found = artifacts.search([recipe], TARGET)
    assert sorted((Path(one.path).name, one.rows, one.passages) for one in found) == [
        ("predictions.parquet", 1, 0),
        ("report.html", 0, 1),
    ]
    assert artifacts.erase(found, TARGET) == []
    assert artifacts.search([recipe], TARGET) == []
    assert storage.read_table(tracking.download(version, "predictions.parquet", tmp_path))["predicted"].tolist() == [
        "b"
    ]
    assert OTHER in tracking.download(version, "report.html", tmp_path).read_text()
    # The version says what is there now, and so it still serves.
    assert reseal([recipe], found) == [f"{recipe}@1"]
    (version,) = tracking.versions(recipe)
    tracking.download(version, checksums.FILE, tmp_path)
    sums = checksums.read(tmp_path, version.tags[tracking.CHECKSUMS_TAG])
    for name in ("predictions.parquet", "report.html", "model_card.md"):
        checksums.require(tracking.download(version, name, tmp_path), sums[name])


def test_a_version_says_what_it_has_learned_when_its_data_are_gone(
    live_servers: Servers, recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", live_servers.urls["mlflow"])
    for number, split in enumerate(("train", "validation", "other"), start=1):
        files = tmp_path / str(number)
        seen = pd.DataFrame({"record_id": [record_id(TEXT if split != "other" else OTHER)], "split": [split]})
        storage.write_table(files / "seen.parquet", seen)
        storage.write_json(files / "lineage.json", {"tracked": {"raw": f"{number}.dir"}, "stages": {}})
        tracking.register(tracking.Release(recipe, "title", "", files, {}, {}, {}))
    found = Found((), {}, {"3.dir": frozenset()})
    told = [(one.version, one.splits, one.tainted) for one in exposures([recipe], found, TARGET.ids)]
    assert told == [(1, ("train",), True), (2, ("validation",), True)]


def test_the_artifacts_and_runs_of_prefect_that_tell_a_record_go_and_others_stay(
    live_servers: Servers, recipe: str
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows import prefect_traces

    with httpx.Client(base_url=f"{live_servers.urls['prefect']}/api/", trust_env=False) as api:

        def post(path: str, **body: object) -> str:
            answer = api.post(path, json=body)
            answer.raise_for_status()
            return str(answer.json()["id"])

        flow = post("flows/", name="lifecycle")
        telling, silent = (post("flow_runs/", flow_id=flow, name=recipe) for _ in range(2))
        for run, words in ((telling, f"1 row fails: {TEXT[:40]}"), (silent, OTHER)):
            log = {"name": "x", "level": 20, "message": words, "timestamp": "2026-01-01T00:00:00Z", "flow_run_id": run}
            api.post("logs/", json=[log]).raise_for_status()
        card, other = (
            post("artifacts/", key="card", type="markdown", data=words, flow_run_id=silent) for words in (TEXT, OTHER)
        )
        with temporary_settings({PREFECT_API_URL: f"{live_servers.urls['prefect']}/api"}):
            found = prefect_traces.search([recipe], TARGET)
            assert {one.path for one in found} == {f"run/{telling}", f"artifact/{card}"}
            assert prefect_traces.erase(found, TARGET)
            assert prefect_traces.search([recipe], TARGET) == []
        status = {
            path: api.get(path).status_code
            for path in (f"flow_runs/{telling}", f"flow_runs/{silent}", f"artifacts/{other}")
        }
        assert list(status.values()) == [404, 200, 200]
