"""Verdicts on a traffic log: which rows, which words, what is kept, and the flow on a real released version."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from small_project import Project, small_project
from tiny_project import Servers

from tasks import ledger, storage
from tasks.errors import TidemillError
from tasks.evaluate.reference import text_statistics
from tasks.paths import Paths
from tasks.recipe import Recipe, load
from tasks.watch import accuracy, telling, words
from tasks.watch.evidently_page import Sides, write
from tasks.watch.run import judged, keep, show, verdicts
from tasks.watch.window import STAMP, last_end, window

pytest_plugins = ["tiny_project", "small_project"]

FIRST = datetime(2026, 11, 1, tzinfo=UTC)
ALERT = {"name": "any", "label": "positive", "confidence": 0.0, "share": 0.01}
HOME, AWAY = "the film was good and the actors were fine", "the senate passed a budget on tuesday morning"


def answers(count: int, text: str, seed: int, day: int = 0, version: int = 1) -> pd.DataFrame:
    """Rows of a traffic log of one day: words of a text in random order, as a model answers them."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.permutation(text.split())[: rng.integers(4, 9)]) for _ in range(count)]
    at = [FIRST + timedelta(days=day, seconds=86_400 * place / count) for place in range(1, count + 1)]
    table = text_statistics(texts).assign(text=texts, record_id=[f"{seed}-{i}" for i in range(count)], version=version)
    confidence = rng.beta(8, 2, count) if text == HOME else rng.beta(3, 3, count)
    return table.assign(
        at=pd.Series(at, dtype="datetime64[us, UTC]"),
        arm="champion",
        predicted=np.where(rng.random(count) < 0.6, "positive", "negative"),
        confidence=confidence,
        embedding=[vector.astype("f2") for vector in rng.normal(0 if text == HOME else 0.8, 1, (count, 6))],
        latency_ms=rng.random(count),
    )


def reference(count: int = 600) -> pd.DataFrame:
    table = answers(count, HOME, 99)
    right = np.random.default_rng(1).random(count) < table["confidence"]
    kept = ["record_id", "characters", "words", "non_letter_share", "predicted", "confidence", "embedding"]
    return table[kept].assign(domain=np.where(np.arange(count) % 2, "films", "books"), right=right)


def log(folder: Path, table: pd.DataFrame) -> Path:
    """A file of the traffic log, written just after its last row."""
    written = table["at"].max() + timedelta(seconds=1)
    file = folder / f"{written.strftime(STAMP)}-abc123.parquet"
    storage.write_table(file, table)
    return file


def events(servers: Servers, name: str, resource: str) -> list[dict[str, Any]]:
    """The events of a name about a resource, newest first; the server writes them down some seconds after they come."""
    wanted = {"filter": {"event": {"name": [name]}, "resource": {"id": [resource]}}}
    deadline = time.monotonic() + 60
    found: list[dict[str, Any]] = []
    while len(found) < 2 and time.monotonic() < deadline:
        answer = httpx.post(f"{servers.urls['prefect']}/api/events/filter", json=wanted)
        answer.raise_for_status()
        found = answer.json()["events"]
        time.sleep(0.5)
    return found


def recipe(tmp_path: Path, **drift: Any) -> Recipe:
    content = {
        "name": "films",
        "title": "Films",
        "kind": "classify_text",
        "sources": [{"name": "rows", "url": "file:rows.csv", "columns": {"text": "text"}}],
        "labels": {"classes": ["negative", "positive"]},
        "train": {"base_model": {"url": "file:model"}},
        "drift": drift,
    }
    file = tmp_path / "films.yaml"
    storage.write_json(file, content)
    return load(file)


def test_a_window_is_what_the_champion_answered_since_the_last_one(tmp_path: Path) -> None:
    log(tmp_path, answers(50, HOME, 1, day=0))
    log(tmp_path, pd.concat([answers(30, HOME, 2, day=1), answers(20, HOME, 3, day=1, version=2)]))
    log(tmp_path, answers(10, HOME, 4, day=2).assign(arm="shadow"))
    everything = window(tmp_path, 1, None)
    assert everything is not None
    assert everything.rows.count_rows() == 80
    assert everything.until == FIRST + timedelta(days=2)
    rest = window(tmp_path, 1, FIRST + timedelta(days=1))
    assert rest is not None
    assert (rest.rows.count_rows(), rest.days) == (30, 1.0)
    assert window(tmp_path, 1, FIRST + timedelta(days=2)) is None
    assert window(tmp_path / "nothing", 1, None) is None


def test_a_foreign_file_in_the_log_is_one_clear_line(tmp_path: Path) -> None:
    storage.write_table(tmp_path / "mine.parquet", answers(5, HOME, 1))
    with pytest.raises(TidemillError, match=r"mine.parquet: is no file of the traffic log; move it away"):
        window(tmp_path, 1, FIRST)
    log(tmp_path / "other", pd.DataFrame({"at": answers(5, HOME, 1)["at"], "x": 1}))
    with pytest.raises(TidemillError, match="has no column 'version'"):
        window(tmp_path / "other", 1, None)


def test_drift_is_told_with_what_moved_and_what_it_costs(tmp_path: Path) -> None:
    before = reference()
    log(tmp_path, pd.concat([answers(200, HOME, 5), answers(200, AWAY, 6)]).sort_values("at"))
    found = window(tmp_path, 1, FIRST)
    assert found is not None
    known = answers(600, HOME, 99)[["record_id", "text"]]
    said = judged(recipe(tmp_path), before, found, 1, known)
    assert said["alarm"]
    assert {each["name"] for each in said["findings"] if each["alarm"]} >= {"embedding", "confidence"}
    assert {each["word"] for each in said["words"] if each["z"] > 0} <= set(AWAY.split())
    assert {each["word"] for each in said["words"]} & {"senate", "budget", "tuesday"}
    assert said["accuracy"]["window"] < said["accuracy"]["reference"]
    page = telling.card(said)
    assert page.startswith("**DRIFT in 400 answers of films@1 from 2026-11-01 00:00 to 2026-11-02 00:00")
    assert "off by" in page
    assert said["level"] == pytest.approx(0.25 / 30)


def test_the_same_world_is_quiet_and_the_same_window_gives_the_same_verdict(tmp_path: Path) -> None:
    log(tmp_path, answers(300, HOME, 7))
    found = window(tmp_path, 1, FIRST)
    assert found is not None
    said = [judged(recipe(tmp_path), reference(), found, 1, pd.DataFrame(columns=["record_id", "text"])) for _ in "ab"]
    assert said[0] == said[1]
    assert telling.headline(said[0]).startswith("no drift in 300 answers of films@1")


def test_an_alarm_is_kept_once_however_often_its_writer_is_killed(tmp_path: Path) -> None:
    paths = Paths(tmp_path, "films")
    log(paths.traffic, answers(300, AWAY, 8))
    found = window(paths.traffic, 1, FIRST)
    assert found is not None
    said = judged(recipe(tmp_path), reference(), found, 1, pd.DataFrame(columns=["record_id", "text"]))
    keep(paths, said)
    verdicts(paths)[0].unlink()  # as if killed before the last file
    keep(paths, said)
    assert [entry.kind for entry in ledger.entries(paths.home, "films")] == ["drift"]
    assert last_end(verdicts(paths)) == FIRST + timedelta(days=1)
    assert window(paths.traffic, 1, last_end(verdicts(paths))) is None


def test_evidently_s_page_shows_our_verdict_and_needs_no_internet(tmp_path: Path) -> None:
    paths = Paths(tmp_path, "films")
    log(paths.traffic, answers(300, AWAY, 9))
    found = window(paths.traffic, 1, FIRST)
    assert found is not None
    said = judged(recipe(tmp_path), reference(), found, 1, pd.DataFrame(columns=["record_id", "text"]))
    show(paths, reference(), found.rows, said)
    page = (paths.watch / "report.html").read_text(encoding="utf-8")
    assert "Tidemill's verdict" in page.replace("\\u0027", "'")
    assert "<script src=" not in page
    show(paths, reference(), found.rows, said)
    assert len(list(paths.drift_workspace.glob("*/snapshots/*.json"))) == 2
    assert len(list(paths.drift_workspace.glob("*/dashboard.json"))) == 1


def test_accuracy_is_estimated_from_confidence_and_says_how_far_it_was_off() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.beta(5, 2, 4000)
    right = rng.random(4000) < confidence
    table = pd.DataFrame({"confidence": confidence, "right": right, "domain": rng.choice(["a", "b", "c"], 4000)})
    found = accuracy.estimate(table, confidence)
    assert found.window == pytest.approx(found.reference, abs=0.001)
    assert found.error == pytest.approx(0, abs=0.04)
    assert accuracy.estimate(table, rng.beta(3, 3, 4000)).lost > 0.1
    assert accuracy.estimate(table.drop(columns="domain"), confidence).error is None
    assert "one domain only" in accuracy.told(accuracy.estimate(table.assign(domain="a"), confidence))
    overconfident = table.assign(right=right & ((table["domain"] != "c") | (rng.random(4000) < 0.5)))
    assert accuracy.error(overconfident) == pytest.approx(0.36, abs=0.05)  # on c, by a half of its right answers


def test_words_that_moved_are_named_and_others_are_not() -> None:
    rng = np.random.default_rng(3)
    common = [f"word{chr(97 + i)}" for i in range(20)]

    def texts(extra: str, count: int) -> list[str]:
        return [" ".join([*rng.choice(common, 5), extra if rng.random() < 0.2 else ""]) for _ in range(count)]

    found = words.moved(texts("", 800), texts("refund", 400))
    assert [each.word for each in found] == ["refund"]
    assert found[0].reference == 0
    assert found[0].window == pytest.approx(0.2, abs=0.06)
    assert [each.word for each in words.moved(["很好看"] * 50, ["不好看", "退款了"] * 50)][:1] != []
    assert words.moved([], ["a"]) == []


def test_sides_without_rows_of_a_class_still_make_a_page(tmp_path: Path) -> None:
    table = pd.DataFrame({"confidence": [0.5] * 20, "predicted": ["a"] * 20})
    finding = {"name": "predicted", "p": 0.001, "adjusted": 0.002, "effect": 1.0, "alarm": True}
    outcome = {"recipe": "films", "version": 1, "until": FIRST.isoformat(), "findings": [finding]}
    sides = Sides(table, table.assign(predicted="b"), ["confidence"], ["predicted"])
    write(sides, outcome, tmp_path / "page.html", tmp_path / "evidently")
    assert (tmp_path / "page.html").stat().st_size > 1_000_000


@pytest.mark.slow
def test_the_watch_judges_the_champion_and_tells_prefect(
    small_template: Path, live_servers: Servers, tmp_path: Path
) -> None:
    project: Project = small_project(
        small_template, tmp_path, live_servers, "watched", drift={"window_rows": 50}, alerts=[ALERT]
    )
    project.tidemill("run", "watched")
    paths = Paths(project.root, "watched")
    assert "no verdict: 0 answers of watched@1" in project.tidemill("watch", "watched")
    known = storage.read_table(paths.stage("evaluate") / "reference.parquet")
    assert len(known["embedding"].iloc[0]) == 32
    stamped = {"version": 1, "arm": "champion", "latency_ms": 1.0, "text": None}
    at = pd.Series([FIRST + timedelta(minutes=i) for i in range(len(known))], dtype="datetime64[us, UTC]")
    log(project.home / "traffic" / "watched", known.drop(columns=["domain", "right"]).assign(at=at, **stamped))
    assert "no drift in" in project.tidemill("watch", "watched")
    later = known.drop(columns=["domain", "right"])
    moved = later.assign(at=at + timedelta(days=2), confidence=later["confidence"] / 2, **stamped)
    log(project.home / "traffic" / "watched", moved)
    said = json.loads(project.tidemill("watch", "watched", "--json"))
    assert said["alarm"]
    told = events(live_servers, "tidemill.watch.alert", "tidemill.recipe.watched")
    assert [each["payload"]["name"] for each in told] == ["any", "any"]
    assert told[0]["payload"] | said["alerts"][0] == told[0]["payload"]
    assert "drift" in project.tidemill("ledger", "watched")
    assert json.loads(project.tidemill("watch", "watched", "--json")) is None
