"""The parts of serving that need no server: bodies, keys, rates, the traffic log, the batcher."""

import asyncio
import json
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from small_model import CLASSES, recipe, texts

from tasks import inference, storage
from tasks.errors import TidemillError
from tasks.paths import Paths
from tasks.recipe import Traffic
from tasks.records import record_id
from tasks.serve import bodies, classify_text, keys, live
from tasks.serve.batching import Batcher
from tasks.serve.metrics import metrics
from tasks.serve.rates import Rates
from tasks.serve.recent import MOST, Answer, Recent
from tasks.serve.refusal import Refusal
from tasks.serve.traffic import Log, Row

pytest_plugins = ["small_model"]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["text", "records", "x"]), inner),
    max_leaves=12,
)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_contents_or_a_refusal(body: bytes) -> None:
    try:
        contents = bodies.contents(body, classify_text.checked, 3)
    except Refusal as found:
        contents, refusal = None, found
    if contents is None:
        assert refusal.status in (400, 413, 422)
        assert str(refusal)
    else:
        assert 1 <= len(contents) <= 3
        assert all(isinstance(content, str) and content.strip() for content in contents)
        assert all(classify_text.parts(content) for content in contents)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ('{"text": "\\ud800"}', 400, "no JSON"),
        ("[" * 5000, 400, "no JSON"),
        ('{"text": NaN}', 400, "no JSON"),
        ("[]", 422, "is a JSON list; it must be an object"),
        ('{"text": 5}', 422, "text: must be a text that is not empty"),
        ('{"text": "  "}', 422, "must be a text that is not empty"),
        ('{"text": "a", "label": "b"}', 422, "'label' is unknown"),
        ('{"records": []}', 422, "at least one record"),
        ('{"records": [1]}', 422, r"records[0]: is a JSON number"),
        ('{"records": [{"text": "a"}], "more": 1}', 422, "'more', which is unknown"),
        (json.dumps({"records": [{"text": "a"}] * 4}), 413, "4 in one request; send at most 3"),
    ],
)
def test_a_wrong_body_is_refused_with_the_reason(body: str, status: int, words: str) -> None:
    with pytest.raises(Refusal) as refused:
        bodies.contents(body.encode(), classify_text.checked, 3)
    assert refused.value.status == status
    assert words in str(refused.value)


def test_the_parts_of_a_text_cover_its_words_and_leave_the_rest() -> None:
    parts = classify_text.parts("Good  but\nslow.")
    assert [part["text"] for part, _ in parts] == ["Good", "but", "slow."]
    assert parts[1][1] == "Good  \nslow."
    long = classify_text.parts("word " * 1000)
    assert len(long) <= classify_text.MOST_PARTS


def test_a_key_is_shown_once_scoped_and_revocable(tmp_path: Path) -> None:
    path = keys.file(tmp_path, "small")
    key = keys.add(path, "shop", ("predict",))
    assert key not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    server = keys.Keys(path)
    assert server.owner(f"Bearer {key}", "predict") == "shop"
    with pytest.raises(Refusal, match="'shop' is not good for read") as refused:
        server.owner(f"Bearer {key}", "read")
    assert refused.value.status == 403
    for header in ("", "Bearer ", "Bearer tm_wrong", f"Basic {key}"):
        with pytest.raises(Refusal, match="no valid API key") as refused:
            server.owner(header, "predict")
        assert refused.value.status == 401
    keys.revoke(path, "shop")
    server._looked_at = 0.0
    with pytest.raises(Refusal, match="no valid API key"):
        server.owner(f"Bearer {key}", "predict")


def test_keys_tell_what_is_wrong(tmp_path: Path) -> None:
    path = keys.file(tmp_path, "small")
    with pytest.raises(TidemillError, match="scope 'all' is unknown; known are: predict, explain, feedback, read"):
        keys.add(path, "shop", ("all",))
    keys.add(path, "shop", ("predict",))
    with pytest.raises(TidemillError, match="there is a key 'shop' already"):
        keys.add(path, "shop", ("predict",))
    with pytest.raises(TidemillError, match="no key 'stop'; known are: shop"):
        keys.revoke(path, "stop")
    keys.revoke(path, "shop")
    assert keys.add(path, "shop", ("read",)).startswith("tm_")


def test_a_caller_over_its_rate_is_told_when_to_come_back() -> None:
    rates = Rates(rate=10)
    rates.charge("a", 20)
    with pytest.raises(Refusal, match="more than 10 records a second; come back in 1 s") as refused:
        rates.charge("a", 5)
    assert refused.value.retry_after_s == 1
    rates.charge("b", 5)
    Rates(rate=None).charge("a", 10**6)


def row(content: str, at: float = 1e9) -> Row:
    scores = np.array([0.1, 0.7, 0.2], np.float32)
    return Row(at, "0" * 18 + record_id(content)[:6], 3, "champion", content, CLASSES, scores, scores, 2.5, "shop")


def log(folder: Path, **settings: object) -> Log:
    return Log(folder, Traffic(**settings), classify_text, metrics())


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ("full", {"text", "record_id", "embedding"}),
        ("hashed", {"record_id"}),
        ("embedding", {"embedding"}),
    ],
)
def test_the_log_keeps_what_the_privacy_setting_allows_and_no_more(tmp_path: Path, content: str, kept: set) -> None:
    kept_log = log(tmp_path, content=content)
    kept_log.add(row("a secret wish"))
    kept_log.write()
    (file,) = tmp_path.glob("*.parquet")
    table = pd.read_parquet(file)
    assert {name for name in ("text", "record_id", "embedding") if table[name].notna().all()} == kept
    assert (b"a secret wish" in file.read_bytes()) == (content == "full")
    assert table["predicted"].tolist() == ["neutral"]
    assert table["confidence"].tolist() == pytest.approx([0.7])
    assert table["characters"].tolist() == [13]
    assert str(table["at"].dtype) == "datetime64[us, UTC]"
    assert {"prediction_id", "version", "arm", "words", "non_letter_share", "latency_ms", "caller"} <= set(table)


def test_files_of_the_log_are_bounded_and_forgotten_in_time(tmp_path: Path) -> None:
    kept_log = log(tmp_path, file_rows=10, keep_days=1)
    for number in range(25):
        kept_log.add(row(f"text {number}"))
    assert kept_log.due
    for _ in range(3):
        kept_log.write()
    assert sorted(len(pd.read_parquet(file)) for file in tmp_path.glob("*.parquet")) == [5, 10, 10]
    assert not kept_log.due
    old = tmp_path / "20200101T000000.000000Z-abcdef.parquet"
    old.write_bytes(b"")
    kept_log.forget_old()
    assert not old.exists()
    assert len(list(tmp_path.glob("*.parquet"))) == 3


def test_a_log_that_cannot_be_written_keeps_rows_within_bounds_and_says_so(tmp_path: Path, capsys) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    kept_log = log(blocked / "traffic", file_rows=10)
    for number in range(60):
        kept_log.add(row(f"text {number}"))
    kept_log.write()
    told = kept_log.metrics.text().decode()
    assert "tidemill_traffic_failing 1.0" in told
    assert "tidemill_traffic_lost_rows_total 20.0" in told
    assert "traffic log: " in capsys.readouterr().out
    blocked.unlink()
    while kept_log.due or kept_log._rows:
        kept_log.write()
    assert "tidemill_traffic_failing 0.0" in kept_log.metrics.text().decode()
    assert "tidemill_traffic_rows_total 40.0" in kept_log.metrics.text().decode()


def test_the_memory_of_recent_answers_is_bounded() -> None:
    recent = Recent()
    for number in range(MOST + 5):
        recent.add(Answer(0.0, str(number), 1, "champion", None, "neutral", 0.5))
    assert recent.get("4") is None
    assert recent.get("5") is not None
    assert [answer.prediction_id for answer in recent.last(2)] == [str(MOST + 4), str(MOST + 3)]


@pytest.mark.parametrize("served", ["model.int8.onnx", "model.onnx"])
def test_answers_in_company_are_those_of_each_alone(small_stages: Paths, tmp_path: Path, served: str) -> None:
    folder = small_stages.stage("compress")
    loaded = inference.load(folder, served, 2)
    asked = texts(40, seed=9)
    together = loaded.probabilities(asked)
    alone = np.vstack([loaded.probabilities([text]) for text in asked])
    assert np.abs(together - alone).max() < (1e-9 if "int8" in served else 1e-5)


def test_torch_answers_as_the_exported_model_does_and_refuses_one_that_was_evaluated_in_int8(
    small_stages: Paths, tmp_path: Path
) -> None:
    folder = tmp_path / "version"
    shutil.copytree(small_stages.stage("compress"), folder)
    shutil.copytree(small_stages.stage("train"), folder, dirs_exist_ok=True)
    asked = texts(40, seed=9)
    expected = inference.load(folder, "model.onnx", 1)
    answering = inference.load(folder, "model.onnx", 2, "torch")
    assert np.abs(answering.probabilities(asked) - expected.probabilities(asked)).max() < 1e-5
    row = expected.encoder.rows(asked[:1])
    assert np.allclose(answering.answers(row).embeddings, expected.answers(row).embeddings, atol=1e-5)
    with pytest.raises(TidemillError, match="was evaluated in int8, torch would answer otherwise"):
        live.load(folder, 7, 2, "torch")


def test_the_batcher_answers_each_request_with_its_own_rows(small_stages: Paths) -> None:
    model = live.load(small_stages.stage("compress"), 4, 2)
    asked = texts(60, seed=3)
    expected = model.model.probabilities(asked)
    batcher = Batcher(threads=2, most_waiting=1000)
    batcher.start()

    async def all_at_once() -> list:
        return await asyncio.gather(*(batcher.answered(model, asked[n : n + 3]) for n in range(0, 60, 3)))

    found = asyncio.run(all_at_once())
    batcher.close()
    answers = np.vstack([np.vstack(one.probabilities) for one in found])
    assert np.allclose(answers, expected, atol=1e-6)
    assert all(one.live.version == 4 and one.work_s > 0 for one in found)


def test_the_batcher_refuses_what_finds_no_place_and_a_failing_model_fails_its_request_only() -> None:
    class Kind:
        @staticmethod
        def answers(_: object, contents: list[str]) -> inference.Answers:
            time.sleep(0.05)
            if "bad" in contents:
                raise ValueError("no such word")
            return inference.Answers(np.ones((len(contents), 3), np.float32), None)

    class Small:
        together, classes = 1, CLASSES

    model = live.Live(1, Small(), Kind())  # type: ignore[arg-type]
    batcher = Batcher(threads=1, most_waiting=4)
    batcher.start()

    async def crowd() -> list:
        waits = [asyncio.create_task(batcher.answered(model, [word])) for word in ("bad", "word", "word")]
        waits += [asyncio.create_task(batcher.answered(model, ["word", "word"])) for _ in range(3)]
        return await asyncio.gather(*waits, return_exceptions=True)

    failed, *others = asyncio.run(crowd())
    batcher.close()
    assert isinstance(failed, ValueError)
    refused = [one for one in others if isinstance(one, Refusal)]
    assert all(one.status == 429 and one.retry_after_s >= 1 for one in refused)
    assert 1 <= len(refused) < len(others)
    assert not any(isinstance(one, ValueError) for one in others)


def test_only_safe_forms_are_served(small_stages: Paths, tmp_path: Path) -> None:
    for name in ("model.pkl", "../model.onnx", "model.bin"):
        storage.write_json(
            tmp_path / "model.json", {"kind": "classify_text", "classes": [], "max_tokens": 8, "served": name}
        )
        with pytest.raises(TidemillError, match=r"only an \.onnx file beside it is"):
            live.load(tmp_path, None, 1)


def test_a_recipe_says_how_it_is_served() -> None:
    said = recipe(serve={"keys": True, "traffic": {"content": "hashed", "keep_days": 7}, "trial": {"mode": "canary"}})
    assert said.serve.keys
    with pytest.raises(ValidationError, match=r"torch answers in fp32, so say compress: \{int8: false\}"):
        recipe(serve={"engine": "torch"})
    assert said.serve.traffic.keep_days == 7
    assert said.serve.trial.alpha == 0.05
