"""The endpoint as a process: what it answers, what it refuses, and that nothing makes it fail."""

import json
from pathlib import Path

import httpx
import numpy as np
import pytest
from endpoint import Endpoint, folder_endpoint
from small_model import CLASSES, MAX_TOKENS, texts

from tasks import inference
from tasks.paths import Paths

pytest_plugins = ["small_model"]


@pytest.fixture(scope="module")
def endpoint(small_stages: Paths, tmp_path_factory: pytest.TempPathFactory):
    place = tmp_path_factory.mktemp("endpoint")
    with folder_endpoint(small_stages.stage("compress"), place, serve={"records": 50, "body_kb": 64}) as started:
        yield started


def test_one_record_and_many_are_answered_as_the_model_answers(endpoint: Endpoint, small_stages: Paths) -> None:
    asked = texts(20, seed=11)
    expected = inference.load(small_stages.stage("compress"), "model.int8.onnx", 1).probabilities(asked)
    many = endpoint.client.post("/v1/predict", json={"records": [{"text": text} for text in asked]}).json()
    found = np.array([[one["probabilities"][name] for name in CLASSES] for one in many["predictions"]])
    assert np.abs(found - expected).max() < 1e-6
    one = endpoint.predict(asked[3])
    assert [one["probabilities"][name] for name in CLASSES] == pytest.approx(expected[3].tolist(), abs=1e-6)
    assert one["class"] == CLASSES[int(expected[3].argmax())]
    assert one["confidence"] == max(one["probabilities"].values())
    assert (one["model"], one["version"]) == ("small", None)
    ids = [answer["id"] for answer in many["predictions"]]
    assert len(set(ids)) == 20


def test_each_answer_says_where_its_time_went(endpoint: Endpoint) -> None:
    timing = endpoint.client.post("/v1/predict", json={"text": "bad"}).headers["server-timing"]
    assert [part.partition(";")[0] for part in timing.split(", ")] == ["own", "wait", "model"]


def test_an_explanation_weighs_each_word_by_what_the_class_loses_without_it(endpoint: Endpoint) -> None:
    text = texts(1, seed=12)[0]
    found = endpoint.client.post("/v1/explain", json={"text": text}).json()
    whole = endpoint.predict(text)
    assert found["class"] == whole["class"]
    assert "Zeiler and Fergus 2014" in found["method"]
    for part in found["parts"][:3]:
        assert text[part["start"] : part["end"]] == part["text"]
        rest = text[: part["start"]] + text[part["end"] :]
        lost = whole["confidence"] - endpoint.predict(rest)["probabilities"][whole["class"]]
        assert part["weight"] == pytest.approx(lost, abs=1e-6)
    beyond = endpoint.client.post("/v1/explain", json={"text": " ".join(["bad"] * 30 + ["good"])}).json()
    assert beyond["parts"][-1]["weight"] == 0.0, f"a word after the {MAX_TOKENS} tokens that are read has no weight"
    other = endpoint.client.post("/v1/explain", json={"text": text, "class": "neutral"}).json()
    assert other["class"] == "neutral"


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/v1/predict", b"{", 400, "no JSON"),
        ("/v1/predict", b"\xff\xfe", 400, "no JSON"),
        ("/v1/predict", b"", 400, "no JSON"),
        ("/v1/predict", json.dumps({"text": "word " * 20000}).encode(), 413, "at most 65536 are read"),
        ("/v1/predict", json.dumps({"records": [{"text": "a"}] * 51}).encode(), 413, "send at most 50"),
        ("/v1/explain", b'{"text": "bad", "class": "angry"}', 422, "'angry' is none of negative, neutral, positive"),
        ("/v1/explain", b'{"records": []}', 422, "'records' is unknown"),
        ("/v1/feedback", b'{"class": "neutral", "id": "nothing"}', 404, "send the content with it"),
        ("/v1/feedback", b'{"class": "angry", "id": "nothing"}', 404, "no answer of the last ones"),
        ("/v1/feedback", b'{"text": "bad", "class": "angry"}', 422, "'angry' is none of"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_reason(
    endpoint: Endpoint, path: str, body: bytes, status: int, words: str
) -> None:
    answer = endpoint.client.post(path, content=body)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]


def test_a_text_that_the_tokenizer_knows_nothing_of_is_answered(endpoint: Endpoint) -> None:
    for text in ("\u200b\u200c", "🎉", "\u0000", "。", "a" * 5000):
        answer = endpoint.client.post("/v1/predict", json={"text": text})
        assert answer.status_code in (200, 422), answer.text
        if answer.status_code == 200:
            assert sum(answer.json()["predictions"][0]["probabilities"].values()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
def test_pages_of_other_sites_are_refused(endpoint: Endpoint, headers: dict[str, str]) -> None:
    answer = endpoint.client.post("/v1/predict", json={"text": "bad"}, headers=headers)
    assert answer.status_code == 403
    own = endpoint.client.post("/v1/predict", json={"text": "bad"}, headers={"Origin": endpoint.url})
    assert own.status_code == 200


def test_health_metrics_and_pages_are_there_and_load_nothing_from_elsewhere(endpoint: Endpoint) -> None:
    assert endpoint.client.get("/healthz").json() == {"status": "alive"}
    assert endpoint.client.get("/readyz").json()["status"] == "ready"
    endpoint.predict("bad")
    figures = endpoint.client.get("/metrics").text
    assert 'tidemill_requests_total{path="/v1/predict",status="200"}' in figures
    for path in ("/", "/docs", "/page.js", "/words.js", "/docs.js", "/page.css"):
        page = endpoint.client.get(path)
        assert page.status_code == 200
        assert "http://" not in page.text
        assert "https://" not in page.text
        assert "default-src 'self'" in page.headers["content-security-policy"]
    assert endpoint.client.get("/v1/nothing").status_code == 404
    assert endpoint.client.get("/v1/predict").status_code == 405


def test_the_document_of_the_interface_names_every_route(endpoint: Endpoint) -> None:
    document = endpoint.client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/predict", "/v1/explain", "/v1/feedback", "/v1/versions", "/v1/recent", "/v1/trial",
        "/healthz", "/readyz", "/metrics",
    }  # fmt: skip
    record = document["paths"]["/v1/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"][
        0
    ]
    assert record["properties"]["text"]["type"] == "string"


def test_a_crowd_is_refused_before_memory_grows_and_served_again_after(small_stages: Paths, tmp_path: Path) -> None:
    import asyncio

    settings = {"waiting": 8, "records": 8}
    with folder_endpoint(small_stages.stage("compress"), tmp_path, serve=settings) as started:

        async def crowd() -> list[httpx.Response]:
            records = {"records": [{"text": text} for text in texts(8)]}
            async with httpx.AsyncClient(base_url=started.url, trust_env=False, timeout=30) as client:
                return await asyncio.gather(*(client.post("/v1/predict", json=records) for _ in range(60)))

        answers = asyncio.run(crowd())
        codes = {answer.status_code for answer in answers}
        assert codes == {200, 429}
        assert all(int(a.headers["retry-after"]) >= 1 for a in answers if a.status_code == 429)
        assert started.predict("bad")["class"] in CLASSES


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_no_request_that_the_interface_allows_or_forbids_makes_it_fail(endpoint: Endpoint) -> None:
    import subprocess
    import sys

    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{endpoint.url}/openapi.json",
        "--checks", "not_a_server_error,status_code_conformance,response_schema_conformance,content_type_conformance",
        "--max-examples", "40", "--seed", "1", "--generation-database", "none",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
