"""An image classifier at its endpoint, in a table, and on the page: what its users send, and what they see."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from chromium import NEEDED, chromium, complaints, violations
from endpoint import Endpoint, folder_endpoint
from image_records import CLASSES, bars, bomb
from small_model import recipe

from tasks import inference, model_files, storage
from tasks.compress import classify_image as onnx_export
from tasks.images import data_uri
from tasks.serve import live, score
from tasks.train import classify_image

pytest_plugins = ["small_model", "endpoint"]

SIDE = 12
CHANGES = {
    "kind": "classify_image",
    "labels": {"classes": CLASSES},
    "sources": [{"name": "camera", "url": "file:x.parquet", "columns": {"image": "image"}}],
    "train": {"images": {"size": SIDE, "mode": "grey", "width": 4}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder whose network has random weights, the last of them large, so that its answers differ."""
    import torch

    place, wanted = tmp_path_factory.mktemp("image_model"), recipe(**CHANGES)
    torch.manual_seed(3)
    config = {**classify_image.config(wanted, place), "classes": list(CLASSES)}
    model = classify_image.model(wanted, place)
    with torch.no_grad():
        [weight for weight in model.parameters() if weight.ndim == 2][-1].mul_(400.0)
    model_files.save(model, place / "trained", config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        onnx_export.export(place / "trained", place / "model.onnx")
    form = {"size": SIDE, "mode": "grey"}
    description = {"classes": list(CLASSES), "kind": "classify_image", "images": form, "served": "model.onnx"}
    storage.write_json(place / "model.json", description)
    return place


@pytest.fixture(scope="module")
def endpoint(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with folder_endpoint(folder, tmp_path_factory.mktemp("endpoint"), **CHANGES) as started:
        yield started


IMAGES = bars(5)["image"].tolist()


def test_images_are_answered_and_explained_by_places(endpoint: Endpoint, folder: Path) -> None:
    expected = inference.load(folder, "model.onnx", 1).probabilities(IMAGES)
    records = [{"image": data_uri(image)} for image in IMAGES]
    many = endpoint.client.post("/v1/predict", json={"records": records}).json()
    found = np.array([[one["probabilities"][name] for name in CLASSES] for one in many["predictions"]])
    assert np.abs(found - expected).max() < 1e-6
    told = endpoint.client.post("/v1/explain", json=records[0]).json()
    assert [told["parts"][0][side] for side in ("left", "top", "right", "bottom")] == [0, 0, 2, 2]
    assert len(told["parts"]) == 36


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("a cat", "must be a data: URI"),
        ("data:image/png;base64,AAAA", "no image"),
        (data_uri(bomb()), "huge"),
        (data_uri(IMAGES[0][:90]), "broken"),
    ],
)
def test_what_is_no_image_is_refused_with_a_reason(endpoint: Endpoint, image: str, words: str) -> None:
    answer = endpoint.client.post("/v1/predict", json={"image": image})
    assert answer.status_code == 422
    assert words in answer.json()["error"]


def test_a_table_of_images_is_scored_and_a_broken_one_gets_no_answer(folder: Path, tmp_path: Path) -> None:
    contents = [*IMAGES[:2], b"no image", None, IMAGES[2]]
    pd.DataFrame({"image": contents}).to_parquet(tmp_path / "in.parquet")
    score.score(live.load(folder, 3, 1), tmp_path / "in.parquet", tmp_path / "out.parquet")
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert found["predicted"].notna().tolist() == [True, True, False, False, True]


@pytest.mark.slow
@NEEDED
def test_the_page_takes_an_image_and_frames_the_places_that_speak(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "bar.png").write_bytes(IMAGES[0])
    with chromium() as browser:
        page = browser.new_page(locale="en-GB")
        heard = complaints(page)
        page.goto(endpoint.url)
        page.wait_for_selector("#picture:visible")
        page.set_input_files("#picture", tmp_path / "bar.png")
        page.click("#send")
        page.wait_for_selector("#places:visible")
        assert page.locator("#grid i").count() == 36
        assert page.locator("#grid i.for, #grid i.against").count() > 0
        assert "row " in page.text_content("#strongest")
        page.wait_for_selector("#recent img")
        assert (violations(page), heard) == ([], [])
