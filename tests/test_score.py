"""Batch scoring: every row answered, in bounded memory, taken up after a kill, one output at a time."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_model import CLASSES, texts

from tasks import file_lock
from tasks.errors import BusyError, SourceError
from tasks.paths import Paths
from tasks.serve import live, score

pytest_plugins = ["small_model"]


@pytest.fixture
def model(small_stages: Paths) -> live.Live:
    return live.load(small_stages.stage("compress"), 7, 2)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "CHUNK", 16)


def table(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"key": range(rows), "text": texts(rows, seed=41)})


def written(frame: pd.DataFrame, file: Path) -> Path:
    if file.suffix == ".parquet":
        frame.to_parquet(file, index=False, row_group_size=10)
    elif file.suffix == ".csv":
        frame.to_csv(file, index=False)
    else:
        frame.to_json(file, orient="records", lines=True)
    return file


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_every_row_is_answered_in_its_place(model: live.Live, tmp_path: Path, ending: str) -> None:
    frame = table(50)
    source, target = written(frame, tmp_path / f"in.{ending}"), tmp_path / "out.parquet"
    assert score.score(model, source, target) == 50
    found = pd.read_parquet(target)
    assert found["key"].tolist() == list(range(50))
    expected = model.model.probabilities(frame["text"].tolist())
    assert np.allclose(found[[f"p_{name}" for name in CLASSES]], expected, atol=1e-6)
    assert found["predicted"].tolist() == [CLASSES[k] for k in expected.argmax(axis=1)]
    assert set(found["model_version"]) == {7}
    assert [file.name for file in tmp_path.iterdir() if "out" in file.name] == ["out.parquet"]


def test_rows_without_text_get_no_answer_and_an_empty_table_an_empty_one(model: live.Live, tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["bad", None, "  ", "good"]})
    score.score(model, written(frame, tmp_path / "in.parquet"), tmp_path / "out.parquet")
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert found["predicted"].notna().tolist() == [True, False, False, True]
    assert found["confidence"].notna().tolist() == [True, False, False, True]
    empty = frame.head(0).astype({"text": "str"})
    assert score.score(model, written(empty, tmp_path / "none.parquet"), tmp_path / "none_out.parquet") == 0
    assert list(pd.read_parquet(tmp_path / "none_out.parquet").columns) == list(found.columns)


def test_a_killed_run_is_taken_up_where_it_was(model: live.Live, small_stages: Paths, tmp_path: Path) -> None:
    source, target = written(table(2000), tmp_path / "in.parquet"), tmp_path / "out.parquet"
    code = (
        "import sys; from pathlib import Path; from tasks.serve import live, score; score.CHUNK = 16;"
        f"score.score(live.load(Path({str(small_stages.stage('compress'))!r}), 7, 2), Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(source), str(target)]) as child:
        parts = tmp_path / ".out.parquet.parts"
        deadline = time.monotonic() + 60
        while len(list(parts.glob("*.parquet"))) < 5 and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
    done = {file.name: file.stat().st_mtime_ns for file in sorted(parts.glob("*.parquet"))}
    assert 5 <= len(done) < 125
    assert not target.exists()
    seen: list[int] = []
    original = score.answered
    score.answered = lambda *words: (seen.append(len(words[1])), original(*words))[1]
    try:
        assert score.score(model, source, target) == 2000
    finally:
        score.answered = original
    assert sum(seen) == 2000 - 16 * len(done)
    whole = tmp_path / "whole.parquet"
    score.score(model, source, whole)
    assert pd.read_parquet(target).equals(pd.read_parquet(whole))


def test_parts_of_another_input_or_version_are_not_taken_up(model: live.Live, tmp_path: Path) -> None:
    source, target = written(table(40), tmp_path / "in.parquet"), tmp_path / "out.parquet"
    parts = tmp_path / ".out.parquet.parts"
    parts.mkdir()
    (parts / "task.json").write_text(json.dumps({"of": "something else"}))
    (parts / "00000000.parquet").write_bytes(b"stale")
    assert score.score(model, source, target) == 40
    assert len(pd.read_parquet(target)) == 40


def test_the_same_output_is_made_by_one_at_a_time(model: live.Live, tmp_path: Path) -> None:
    source, target = written(table(5), tmp_path / "in.parquet"), tmp_path / "out.parquet"
    with file_lock.held(tmp_path / ".out.parquet.lock"), pytest.raises(BusyError):
        score.score(model, source, target)


@pytest.mark.parametrize(
    ("frame", "name", "words"),
    [
        (pd.DataFrame({"body": ["a"]}), "in.parquet", "has no column 'text'; it has: body"),
        (pd.DataFrame({"text": ["a"], "predicted": ["b"]}), "in.csv", "has a column 'predicted' already"),
    ],
)
def test_a_table_that_does_not_fit_is_told(
    model: live.Live, tmp_path: Path, frame: pd.DataFrame, name: str, words: str
) -> None:
    with pytest.raises(SourceError, match=words):
        score.score(model, written(frame, tmp_path / name), tmp_path / "out.parquet")


def test_a_file_that_is_no_table_is_told(model: live.Live, tmp_path: Path) -> None:
    (tmp_path / "in.parquet").write_bytes(b"no parquet")
    with pytest.raises(SourceError, match="cannot be read"):
        score.score(model, tmp_path / "in.parquet", tmp_path / "out.parquet")
    with pytest.raises(SourceError, match=r"is no \.parquet, \.pq, \.csv, \.jsonl, \.ndjson file"):
        score.score(model, tmp_path / "in.xlsx", tmp_path / "out.parquet")
    with pytest.raises(SourceError, match="cannot be read"):
        score.score(model, tmp_path / "missing.csv", tmp_path / "out.parquet")
