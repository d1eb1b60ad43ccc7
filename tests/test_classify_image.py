"""Images through every stage: the real digits from their source to a report, and what is no image set aside."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from image_records import CLASSES, bars, bomb, encoded, shard

from tasks import inference, storage
from tasks.annotate.run import run as annotate
from tasks.collect.run import run as collect
from tasks.compress.run import run as compress
from tasks.evaluate.classify_image import attribution
from tasks.evaluate.run import run as evaluate
from tasks.fingerprint.run import run as fingerprint
from tasks.fingerprint.sections import view
from tasks.images import from_data_uri, media_type, opened
from tasks.paths import Paths
from tasks.prepare.looks import near_copies
from tasks.prepare.run import run as prepare
from tasks.recipe import Recipe, load
from tasks.split.run import run as split
from tasks.train.probe import probe
from tasks.train.run import run as train
from tasks.validate.run import run as validate

ROOT = Path(__file__).parents[1]
STAGES = {
    "annotate": annotate,
    "prepare": prepare,
    "validate": validate,
    "split": split,
    "train": train,
    "compress": compress,
    "evaluate": evaluate,
}
GREY = np.random.default_rng(5).integers(0, 256, (9, 9), dtype=np.uint8)
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # DVC's use of pygtrie


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """The recipe `digits` from its source to its report, with two epochs in place of twelve."""
    root = tmp_path_factory.mktemp("digits")
    (root / "dvc.yaml").write_text("stages: {}\n")
    for folder in ("recipes", "expectations", "tasks"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=root, check=True)
    (root / ".dvc" / "config").write_text(
        "[core]\n    analytics = false\n    no_scm = True\n['remote \"local\"']\n    url = ../remote\n"
    )
    content = yaml.safe_load((ROOT / "recipes/digits.yaml").read_text())
    content["train"] |= {"epochs": 3, "augment": {"crop": 1}}
    content["evaluate"] = {"bootstrap_samples": 100}
    recipe, paths = Recipe.model_validate(content), Paths(root, "digits")
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("MLFLOW_TRACKING_URI", "TIDEMILL_HOME"):
            patch.delenv(variable, raising=False)
        collect(recipe, paths)
        fingerprint(recipe, paths)
        for stage, run in STAGES.items():
            run(view(recipe, stage), paths)
    return paths


def test_digits_are_learned_from_their_source_to_a_report(digits: Paths) -> None:
    figures = storage.read_json(digits.stage("evaluate") / "metrics.json")
    assert figures["overall"]["model"]["accuracy"]["estimate"] > 0.9
    assert set(figures["overall"]) == {"model", "fp32", "int8", "majority", "pixels"}
    assert "brightness" in figures["slices"]
    assert storage.read_json(digits.stage("compress") / "model.json")["images"] == {"size": 8, "mode": "grey"}


def test_records_hold_images_as_bytes_with_their_media_type(digits: Paths) -> None:
    (file,) = digits.raw.glob("*.parquet")
    records = storage.read_table(file)
    assert len(records) == 1797
    assert set(records["media_type"]) == {"image/png"} == {media_type(content) for content in records["image"]}
    first = np.asarray(opened(records["image"][0]))
    assert first[0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]  # 0 0 5 13 9 1 0 0 of 16
    assert storage.read_json(digits.base_model / "manifest.json")["files"] == {}


def test_the_served_model_answers_images_of_any_form_and_size(digits: Paths) -> None:
    test = storage.read_table(digits.stage("split") / "test.parquet")
    model = inference.load(digits.stage("compress"), "model.onnx", 1)
    large = [encoded(np.kron(np.asarray(opened(c)), np.ones((5, 5))).astype(np.uint8), "BMP") for c in test["image"]]
    said, again = (model.probabilities(contents).argmax(1) for contents in (test["image"].tolist(), large))
    assert (said == again).mean() > 0.98


def test_the_report_shows_the_worst_errors_as_pictures_and_fetches_nothing(digits: Paths) -> None:
    page = (digits.stage("evaluate") / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r'<img src="([^"]{22})', page)
    assert sources
    assert set(sources) == {"data:image/png;base64,"}
    assert not re.search(r"@import|<link|<iframe|<script", page)
    assert "test images that the model never saw" in page
    words = re.sub(r'class="text"|<style>.*?</style>', "", page, flags=re.DOTALL)
    assert re.findall(r".{20}\btexts?\b.{20}", words) == []


def test_a_probe_is_measured_once_and_leaves_the_recipe_alone(digits: Paths) -> None:
    said = load(ROOT / "recipes/digits.yaml")
    ways = probe(said, digits)
    assert (said.threads, said.train.batch_size) in {(way.threads, way.micro_batch) for way in ways}
    assert [way.rows_a_second for way in ways] == sorted((way.rows_a_second for way in ways), reverse=True)
    assert probe(said, digits) == ways


def test_an_attribution_colours_the_places_that_the_answer_hangs_on() -> None:
    class Bright:
        """Sure of class 1 by how bright the upper left corner is."""

        @staticmethod
        def probabilities(contents: list[bytes]) -> np.ndarray:
            corners = np.array([np.asarray(opened(content).convert("L"))[:2, :2].mean() / 255 for content in contents])
            return np.stack([1 - corners, corners], axis=1)

    pixels = np.full((12, 12, 3), 200, dtype=np.uint8)
    content, _ = from_data_uri(attribution(encoded(pixels), 1, Bright()))
    found = np.asarray(opened(content)).astype(int)
    assert found[0, 0].tolist() != [200, 200, 200]
    assert found[0, 0, 0] > found[0, 0, 2], "orange: grey there costs the class"
    assert (found[2:, 2:] == 200).all()
    other, _ = from_data_uri(attribution(encoded(pixels), 0, Bright()))
    assert np.asarray(opened(other))[0, 0, 2] > np.asarray(opened(other))[0, 0, 0], "blue: it speaks against the other"


def test_traffic_is_compared_by_what_can_be_measured_of_an_image(digits: Paths) -> None:
    window = storage.read_table(digits.stage("evaluate") / "reference.parquet")
    assert {"width", "height", "brightness", "contrast", "predicted", "confidence"} <= set(window)


def prepared(root: Path, table: pd.DataFrame) -> Paths:
    paths = Paths(root, "digits")
    storage.write_table(paths.raw / "0001-0123abcd.parquet", table)
    prepare(load(ROOT / "recipes/digits.yaml"), paths)
    return paths


def test_broken_huge_lying_and_missing_images_are_set_aside_with_their_reason(tmp_path: Path) -> None:
    good = bars(400)["image"].tolist()
    bad = [encoded(GREY)[:60], bomb(), encoded(GREY, "GIF"), b"", b"<svg/>"]
    types = ["image/png"] * len(good) + ["image/png"] * len(bad)
    paths = prepared(tmp_path, shard([*good, *bad], types))
    shutil.copytree(ROOT / "expectations", paths.expectations)
    identities = shard([*good, *bad])["record_id"]
    consensus = {"record_id": identities, "label": "zero", "n_labels": 1, "agreement": 1.0}
    suite = json.loads((paths.expectations / "class_labels.json").read_text())
    (paths.expectations / "class_labels.json").write_text(
        json.dumps({**suite, "expectations": suite["expectations"][:4]})
    )
    storage.write_table(paths.stage("annotate") / "consensus.parquet", pd.DataFrame(consensus))
    recipe = load(ROOT / "recipes/digits.yaml")
    validate(
        recipe.model_copy(update={"validation": recipe.validation.model_copy(update={"tolerated_share": 0.05})}), paths
    )
    aside = storage.read_table(paths.stage("validate") / "quarantine.parquet").set_index("record_id")["value"]
    told = [aside[identity].partition(":")[0] for identity in identities[len(good) :]]
    assert told == ["broken", "huge", "lying", "empty", "no image"]
    assert len(storage.read_table(paths.stage("validate") / "records.parquet")) == len(good)


def test_the_same_pixels_in_another_form_and_near_copies_are_dropped(tmp_path: Path) -> None:
    first, other = bars(2, seed=8)["image"]
    pixels = np.asarray(opened(first))
    brighter = np.clip(pixels.astype(int) + 3, 0, 255).astype(np.uint8)
    contents = [first, other, encoded(pixels, "BMP"), encoded(brighter), first]
    table = shard(contents)
    paths = prepared(tmp_path, table)
    dropped = storage.read_table(paths.stage("prepare") / "dropped.parquet")
    assert dropped["reason"].tolist() == ["same pixels", "near duplicate", "exact duplicate"]
    assert set(dropped["of"]) == {table["record_id"][0]}
    assert storage.read_table(paths.stage("prepare") / "records.parquet")["image"].tolist() == [first, other]


def test_further_images_never_change_the_fate_of_earlier_ones() -> None:
    contents = bars(60, seed=9)["image"].tolist() * 2
    whole = near_copies(contents, 0.97, lambda _done, _note="": None)
    assert near_copies(contents[:70], 0.97, lambda _done, _note="": None) == whole[:70]
    assert all(original is not None for original in whole[60:])


def test_the_same_shards_give_the_same_bytes(tmp_path: Path) -> None:
    table = shard([*bars(20)["image"], b"", bomb()])
    one, two = prepared(tmp_path / "one", table), prepared(tmp_path / "two", table)
    for name in ("records.parquet", "dropped.parquet", "card.md"):
        assert (one.stage("prepare") / name).read_bytes() == (two.stage("prepare") / name).read_bytes()


def test_an_empty_shard_gives_an_empty_table_of_the_same_types(tmp_path: Path) -> None:
    full, empty = prepared(tmp_path / "full", shard(bars(3)["image"].tolist())), prepared(tmp_path / "no", shard([]))
    tables = [storage.read_table(paths.stage("prepare") / "records.parquet") for paths in (full, empty)]
    assert (tables[0].dtypes.drop(["image"]) == tables[1].dtypes.drop(["image"])).all()
    assert len(CLASSES) == 3
