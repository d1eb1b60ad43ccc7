"""Training starts from a released version of our own: fetched, known by its number, and put to work."""

import json
from pathlib import Path

import pytest
import torch

from tasks import image_model, model_files, tracking
from tasks.collect.base_model import FILES, ORIGIN, released
from tasks.collect.origins import pinned
from tasks.errors import SourceError
from tasks.recipe import BaseModelOrigin

CONFIG = {**image_model.from_nothing({"size": 8, "mode": "grey", "width": 4}), "classes": ["a", "b"]}


def test_the_short_form_means_a_version_of_our_own_and_only_a_number_is_pinned() -> None:
    first = BaseModelOrigin.model_validate("feedback@7")
    assert first.url == "registry:feedback@7"
    assert pinned(first)
    assert not pinned(BaseModelOrigin.model_validate("feedback@champion"))
    with pytest.raises(ValueError, match="pattern"):
        BaseModelOrigin.model_validate("feedback@newest")


def test_without_mlflow_a_line_says_how_to_start_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(SourceError, match="needs MLflow; start it with tidemill up"):
        released("feedback@champion", FILES["classify_text"], tmp_path)


def test_a_network_of_our_own_goes_on_with_other_classes_from_its_own_weights(tmp_path: Path) -> None:
    torch.manual_seed(1)
    before = image_model.classifier(CONFIG, 2)
    model_files.save(before, tmp_path, CONFIG)
    config = image_model.of_base(tmp_path, {"size": 32, "mode": "rgb", "width": 64})
    assert config["images"] == CONFIG["images"]
    after = image_model.classifier(config, 5)
    image_model.load_base(after, tmp_path)
    old, new = before.state_dict(), after.state_dict()
    last = [name for name in old if old[name].shape != new[name].shape]
    assert len(last) == 1
    assert all(torch.equal(old[name], new[name]) for name in old if name not in last)


@pytest.mark.slow
def test_a_released_version_is_fetched_with_its_number_and_lineage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    files = tmp_path / "model"
    model_files.save(image_model.classifier(CONFIG, 2), files, CONFIG)
    release = tracking.Release("toy", "Toy", "", files, {}, {}, {tracking.LINEAGE_TAG: "abc"})
    version = tracking.register(release)
    tracking.set_alias("toy", tracking.CHAMPION, version.number)
    folder = released("toy@champion", FILES["classify_image"], tmp_path / "came")
    assert json.loads((folder / ORIGIN).read_text()) == {"recipe": "toy", "version": version.number, "lineage": "abc"}
    assert (folder / "model.safetensors").read_bytes() == (files / "model.safetensors").read_bytes()
    with pytest.raises(SourceError, match="there is no such version; there are: toy@1"):
        released("toy@9", FILES["classify_image"], tmp_path / "none")
