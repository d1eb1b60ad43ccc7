"""The champion of a real registry is served: switched under load, refused when it was changed, tried against a rival."""

import json
import threading
import time
from pathlib import Path

import httpx
import pandas as pd
import pytest
from endpoint import Endpoint, champion_endpoint, register
from small_model import CLASSES, recipe, texts
from tiny_project import Servers

from tasks import checksums, inference, ledger, registered, storage, tracking
from tasks.errors import TidemillError
from tasks.records import record_id
from tasks.serve import keys
from tasks.serve.contest import Contest
from tasks.serve.recent import Answer

pytest_plugins = ["endpoint", "small_model", "tiny_project"]

PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def mlflow(live_servers: Servers, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", live_servers.urls["mlflow"])
    return live_servers.urls["mlflow"]


def await_version(endpoint: Endpoint, number: int) -> float:
    """Seconds until the endpoint answers with that version."""
    started = time.monotonic()
    while endpoint.client.get("/readyz").json()["version"] != number:
        assert time.monotonic() - started < PATIENCE_S, endpoint.lines
        time.sleep(0.05)
    return time.monotonic() - started


def test_the_champion_is_switched_under_load_without_a_failed_or_mislabelled_answer(
    small_versions: list[Path], tmp_path: Path, mlflow: str
) -> None:
    numbers = [register("switched", folder) for folder in small_versions]
    tracking.set_alias("switched", tracking.CHAMPION, numbers[0])
    asked = texts(30, seed=21)
    expected = {
        number: inference.load(folder, "model.int8.onnx", 1).probabilities(asked)
        for number, folder in zip(numbers, small_versions, strict=True)
    }
    failures: list[str] = []
    answered = dict.fromkeys(numbers, 0)
    stop = threading.Event()

    def load(url: str, first: int) -> None:
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
            place = first
            while not stop.is_set():
                place = (place + 1) % len(asked)
                answer = client.post("/v1/predict", json={"text": asked[place]})
                if answer.status_code != 200:
                    failures.append(answer.text)
                    continue
                value = answer.json()
                scores = [value["predictions"][0]["probabilities"][name] for name in CLASSES]
                if max(abs(expected[value["version"]][place] - scores)) > 1e-5:
                    failures.append(f"version {value['version']} did not say {scores}")
                answered[value["version"]] += 1

    with champion_endpoint("switched", tmp_path, mlflow, serve={"follow_s": 0.2}) as endpoint:
        assert endpoint.client.get("/v1/versions").json()["version"] == numbers[0]
        workers = [threading.Thread(target=load, args=(endpoint.url, n)) for n in range(4)]
        for worker in workers:
            worker.start()
        waits = []
        for turn in range(4):
            tracking.set_alias("switched", tracking.CHAMPION, numbers[(turn + 1) % 2])
            waits.append(await_version(endpoint, numbers[(turn + 1) % 2]))
        stop.set()
        for worker in workers:
            worker.join()
    assert failures == []
    assert all(count > 0 for count in answered.values())
    assert max(waits) < 15, "5 s on a machine that does nothing else"


@pytest.mark.slow
def test_a_version_that_was_changed_or_answers_otherwise_never_serves(
    small_versions: list[Path], tmp_path: Path, mlflow: str, live_servers: Servers
) -> None:
    first = register("guarded", small_versions[0])
    tracking.set_alias("guarded", tracking.CHAMPION, first)
    lying = tmp_path / "lying"
    for file in small_versions[0].iterdir():
        storage.write_bytes(lying / file.name, file.read_bytes())
    storage.write_bytes(lying / "model.int8.onnx", (small_versions[1] / "model.int8.onnx").read_bytes())
    second = register("guarded", lying)
    changed = register("guarded", small_versions[1])
    (stored,) = [v for v in tracking.versions("guarded") if v.number == changed]
    (file,) = live_servers.home.glob(f"mlflow/artifacts/*/{stored.run_id}/artifacts/model/model.int8.onnx")
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with champion_endpoint("guarded", tmp_path, mlflow, serve={"follow_s": 0.2}) as endpoint:
        for number, words in (
            (second, "answers its probes otherwise than evaluated"),
            (changed, "is not the registered"),
        ):
            tracking.set_alias("guarded", tracking.CHAMPION, number)
            deadline = time.monotonic() + PATIENCE_S
            while not any(words in line for line in endpoint.lines) and time.monotonic() < deadline:
                time.sleep(0.1)
            assert any(words in line for line in endpoint.lines), endpoint.lines
            assert endpoint.predict("bad")["version"] == first
        assert 'tidemill_switches_total{outcome="failed"} 2.0' in endpoint.client.get("/metrics").text


def test_the_reasons_not_to_start_are_one_line(small_versions: list[Path], tmp_path: Path, mlflow: str) -> None:
    with (
        pytest.raises(RuntimeError, match="error: nobody: has no champion yet; make one with: tidemill run nobody"),
        champion_endpoint("nobody", tmp_path, mlflow),
    ):
        pass
    with (
        pytest.raises(RuntimeError, match=r"error: http://127.0.0.1:9: MLflow does not answer"),
        champion_endpoint("nobody", tmp_path, "http://127.0.0.1:9"),
    ):
        pass


def test_requests_corrections_and_recent_answers_are_kept_as_the_recipe_says(
    small_versions: list[Path], tmp_path: Path, mlflow: str
) -> None:
    number = register("kept", small_versions[0])
    tracking.set_alias("kept", tracking.CHAMPION, number)
    with champion_endpoint("kept", tmp_path, mlflow) as endpoint:
        first, second = endpoint.predict("bad bell"), endpoint.predict("good dine")
        wrong = next(name for name in CLASSES if name != first["class"])
        given = {"id": first["id"], "class": wrong}
        answer = endpoint.client.post("/v1/feedback", json=given)
        assert (answer.status_code, answer.json()["record_id"]) == (202, record_id("bad bell"))
        assert endpoint.client.post("/v1/feedback", json={"text": "new words", "class": wrong}).status_code == 202
        shown = endpoint.client.get("/v1/recent").json()["answers"]
        assert [(one["text"], one["corrected"]) for one in shown] == [("good dine", None), ("bad bell", wrong)]
    lines = [json.loads(line) for line in (tmp_path / "feedback" / "kept.jsonl").read_text().splitlines()]
    assert [(line["text"], line["label"], line["version"]) for line in lines] == [
        ("bad bell", wrong, number),
        ("new words", wrong, None),
    ]
    assert lines[0]["record_id"] == record_id("bad bell")
    (file,) = (tmp_path / "traffic" / "kept").glob("*.parquet")
    table = pd.read_parquet(file)
    assert table["text"].tolist() == ["bad bell", "good dine"]
    assert table["prediction_id"].tolist() == [first["id"], second["id"]]
    assert table["version"].tolist() == [number, number]
    assert len(table["embedding"][0]) == 64
    assert table["p_neutral"].tolist() == pytest.approx([a["probabilities"]["neutral"] for a in (first, second)])


def test_keys_are_asked_for_and_revoked_while_it_runs(small_versions: list[Path], tmp_path: Path, mlflow: str) -> None:
    tracking.set_alias("locked", tracking.CHAMPION, register("locked", small_versions[0]))
    path = keys.file(tmp_path, "locked")
    key = keys.add(path, "shop", ("predict",))
    settings = {"keys": True, "traffic": {"content": "hashed"}}
    with champion_endpoint("locked", tmp_path, mlflow, serve=settings) as endpoint:
        assert endpoint.client.post("/v1/predict", json={"text": "bad"}).status_code == 401
        assert endpoint.client.get("/metrics").status_code == 401
        assert endpoint.client.get("/healthz").status_code == 200
        bearer = {"Authorization": f"Bearer {key}"}
        first = endpoint.predict("bad", **bearer)
        assert endpoint.client.get("/v1/recent", headers=bearer).status_code == 403
        desk = {"Authorization": f"Bearer {keys.add(path, 'desk', ('feedback',))}"}
        time.sleep(1.2)
        bare = endpoint.client.post("/v1/feedback", json={"id": first["id"], "class": "neutral"}, headers=desk)
        assert (bare.status_code, bare.json()["error"]) == (422, "text: must come with the correction; it was not kept")
        keys.revoke(path, "shop")
        time.sleep(1.2)
        assert endpoint.client.post("/v1/predict", json={"text": "bad"}, headers=bearer).status_code == 401
    assert key not in "\n".join(endpoint.lines)
    (file,) = (tmp_path / "traffic" / "locked").glob("*.parquet")
    table = pd.read_parquet(file)
    assert table["caller"].tolist() == ["shop"]
    assert table["text"].isna().all()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["canary", "shadow"])
def test_a_better_challenger_is_promoted_by_what_users_say_and_the_ledger_knows(
    small_versions: list[Path], tmp_path: Path, mlflow: str, mode: str
) -> None:
    name = f"trial_{mode}"
    old, new = (register(name, folder) for folder in small_versions)
    tracking.set_alias(name, tracking.CHAMPION, old)
    tracking.set_alias(name, tracking.CHALLENGER, new)
    truth = inference.load(small_versions[1], "model.int8.onnx", 1)
    asked = texts(200, seed=31)
    right = [CLASSES[k] for k in truth.probabilities(asked).argmax(axis=1)]
    settings = {"follow_s": 0.2, "trial": {"mode": mode, "share": 0.5}}
    with champion_endpoint(name, tmp_path, mlflow, serve=settings) as endpoint:
        deadline = time.monotonic() + PATIENCE_S
        while endpoint.client.get("/v1/trial").json()["trial"] is None:
            assert time.monotonic() < deadline, endpoint.lines
            time.sleep(0.1)
        versions = set()
        for text, label in zip(asked * 5, right * 5, strict=True):
            answer = endpoint.predict(text)
            versions.add(answer["version"])
            if mode == "shadow":
                time.sleep(0.01)
            given = {"id": answer["id"], "class": label, "independent": True}
            assert endpoint.client.post("/v1/feedback", json=given).status_code == 202
            if tracking.at_alias(name, tracking.CHAMPION).number == new:
                break
        assert versions == ({old, new} if mode == "canary" else {old})
        await_version(endpoint, new)
        assert endpoint.predict("bad")["version"] == new
    found = [(entry.kind, entry.version) for entry in ledger.entries(tmp_path, name)]
    assert found == [("canary", new), ("promotion", new)]
    (entry, _) = ledger.entries(tmp_path, name)
    assert entry.evidence["decision"] == "promote"
    assert entry.evidence["advantage"] > 0


def answer(version: int, predicted: str, arm: str = "champion", shadow: str | None = None) -> Answer:
    return Answer(time.time(), "0", version, arm, None, predicted, 0.9, shadow=shadow)


def contest(home: Path, mode: str, promoted: list[int]) -> Contest:
    settings = recipe(serve={"trial": {"mode": mode}}).serve.trial
    return Contest("small", settings, 1, 2, home, promoted.append)


def test_a_shadow_is_not_judged_by_people_who_saw_the_champion(tmp_path: Path) -> None:
    tried = contest(tmp_path, "shadow", [])
    for _ in range(100):
        tried.judge(answer(1, "neutral", shadow="positive"), "positive", independent=False)
    assert tried.evidence.count == 0
    tried.judge(answer(1, "neutral", shadow="positive"), "positive", independent=True)
    assert tried.evidence.count == 1


def test_a_worse_challenger_is_rejected_once_and_a_restart_remembers(tmp_path: Path) -> None:
    promoted: list[int] = []
    tried = contest(tmp_path, "canary", promoted)
    for _ in range(60):
        tried.judge(answer(1, "neutral"), "neutral", independent=False)
        tried.judge(answer(2, "positive", "challenger"), "neutral", independent=False)
    assert tried.decision == "reject"
    assert not tried.drawn()
    again = contest(tmp_path, "canary", promoted)
    assert (again.decision, again.evidence) == ("reject", tried.evidence)
    assert [entry.kind for entry in ledger.entries(tmp_path, "small")] == ["canary"]
    assert promoted == []


def test_a_promotion_that_was_rolled_back_is_not_repeated_by_a_restart(tmp_path: Path) -> None:
    promoted: list[int] = []
    tried = contest(tmp_path, "canary", promoted)
    for _ in range(60):
        tried.judge(answer(1, "positive"), "neutral", independent=False)
        tried.judge(answer(2, "neutral", "challenger"), "neutral", independent=False)
    assert (tried.decision, promoted) == ("promote", [2])
    ledger.append(tmp_path, "small", "rollback", 1, {"reason": "users complain"})
    contest(tmp_path, "canary", promoted)
    assert promoted == [2]


def test_a_version_without_seal_or_with_another_one_is_not_fetched(
    small_versions: list[Path], tmp_path: Path, mlflow: str
) -> None:
    number = register("sealed", small_versions[0])
    (version,) = tracking.versions("sealed")
    assert registered.fetched(version, "sealed", tmp_path).name == str(number)
    bare = tracking.Version(number, version.run_id, (), {})
    with pytest.raises(TidemillError, match="was registered without checksums; release it again"):
        registered.fetched(bare, "sealed", tmp_path)
    forged = tracking.Version(number, version.run_id, (), {tracking.CHECKSUMS_TAG: "0" * 64})
    with pytest.raises(TidemillError, match="is not what the registry sealed"):
        registered.fetched(forged, "sealed", tmp_path)
    (tmp_path / str(number) / "model.json").write_text("{}")
    assert registered.fetched(version, "sealed", tmp_path)
    assert storage.read_json(tmp_path / str(number) / "model.json")["kind"] == "classify_text"
    assert checksums.FILE in {file.name for file in (tmp_path / str(number)).iterdir()}
