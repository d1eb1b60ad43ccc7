"""A network that reads pixels and gives one score a class: built and loaded without pickle."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks import efficientnet, storage
from tasks import images as pictures
from tasks.errors import TidemillError
from tasks.images import CHANNELS
from tasks.model_files import CONFIG, WEIGHTS
from tasks.recipe import Images

if TYPE_CHECKING:
    import torch

PREPROCESSOR = "preprocessor_config.json"
OWN = "tidemill_cnn"
"""`model_type` of the network from nothing."""

MEAN, STD = 0.5, 0.25
"""Of pixel values between 0 and 1, where no base model says its own."""

SCORE_SCALE = 0.125
"""The last layer's scores times this keep the softmax from saturating early (Page 2018)."""


def from_nothing(images: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the network from nothing for `images` (the recipe's train.images)."""
    return {"model_type": OWN, "images": dict(images), "mean": [MEAN], "std": [STD]}


def of_base(folder: Path, images: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the pretrained network in `folder` (Hugging Face's form) for `images`."""
    config: dict[str, Any] = storage.read_json(folder / CONFIG)
    if "images" in config:  # a version of our own: its size, mode and width go with its weights
        return config
    said = storage.read_json(folder / PREPROCESSOR)
    normal = {"mean": said.get("image_mean", [MEAN]), "std": said.get("image_std", [STD])}
    return {**config, "images": dict(images), **normal}


def classifier(config: Mapping[str, Any], n_classes: int) -> "torch.nn.Module":
    """An untrained classifier: the network that `config` describes behind scaling and normalising.

    forward(pixels), batch x height x width x channels, uint8, returns logits, batch x classes.
    """
    import torch

    class ImageClassifier(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            build = _network if config["model_type"] == OWN else _pretrained
            self.body = build(config, n_classes)
            self.mean: torch.Tensor
            self.scale: torch.Tensor
            shape = (1, -1, 1, 1)
            self.register_buffer("mean", torch.tensor(config["mean"]).reshape(shape) * 255, persistent=False)
            self.register_buffer("scale", 1 / (torch.tensor(config["std"]).reshape(shape) * 255), persistent=False)

        def planes(self, pixels: torch.Tensor) -> torch.Tensor:
            # Batch x height x width x channels is what torch calls channels-last: nothing is copied here.
            planes = pixels.permute(0, 3, 1, 2).to(self.mean.dtype)
            return (planes - self.mean) * self.scale

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.body(self.planes(pixels))  # type: ignore[no-any-return]

    made: torch.nn.Module = ImageClassifier()
    return made.to(memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]


def _network(config: Mapping[str, Any], n_classes: int) -> "torch.nn.Module":
    """3 x 3 convolutions with batch normalisation and ReLU, two residual pairs (Page 2018, "How to train your ResNet")."""
    import torch
    from torch.nn import BatchNorm2d, Conv2d, Linear, MaxPool2d, ReLU, Sequential

    width = config["images"]["width"]

    def convolution(before: int, after: int, pool: bool = False) -> Sequential:
        layers = [Conv2d(before, after, 3, padding=1, bias=False), BatchNorm2d(after), ReLU()]
        return Sequential(*layers, *([MaxPool2d(2)] if pool else []))

    class Residual(torch.nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.pair = Sequential(convolution(channels, channels), convolution(channels, channels))

        def forward(self, planes: torch.Tensor) -> torch.Tensor:
            return planes + self.pair(planes)  # type: ignore[no-any-return]

    class Highest(torch.nn.Module):
        def forward(self, planes: torch.Tensor) -> torch.Tensor:
            # Not AdaptiveMaxPool2d: its backward pass on a GPU does not repeat itself.
            return planes.amax((2, 3))

    class Scaled(torch.nn.Module):
        def forward(self, scores: torch.Tensor) -> torch.Tensor:
            return scores * SCORE_SCALE

    return Sequential(
        convolution(CHANNELS[config["images"]["mode"]], width),
        convolution(width, 2 * width, pool=True),
        Residual(2 * width),
        convolution(2 * width, 4 * width, pool=True),
        convolution(4 * width, 8 * width, pool=True),
        Residual(8 * width),
        Highest(),
        Linear(8 * width, n_classes, bias=False),
        Scaled(),
    )


def _pretrained(config: Mapping[str, Any], n_classes: int) -> "torch.nn.Module":
    """The vision model that `config` describes, its pooled features, one linear layer."""
    import torch

    of_lite0 = config["model_type"] == efficientnet.LITE0

    class Pretrained(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = efficientnet.network() if of_lite0 else _of_transformers(config)
            self.encoder.eval()
            size = config["images"]["size"]
            with torch.no_grad():
                width = self.features(torch.zeros(1, len(config["mean"]), size, size)).shape[-1]
            self.head = torch.nn.Linear(width, n_classes)

        def features(self, planes: torch.Tensor) -> torch.Tensor:
            if of_lite0:
                return self.encoder(planes)  # type: ignore[no-any-return]
            found = self.encoder(pixel_values=planes)
            pooled = getattr(found, "pooler_output", None)
            if pooled is not None:
                return pooled.flatten(1)  # type: ignore[no-any-return]
            hidden: torch.Tensor = found.last_hidden_state
            return hidden.mean(1) if hidden.ndim == len(("row", "place", "value")) else hidden.mean((2, 3))

        def forward(self, planes: torch.Tensor) -> torch.Tensor:
            return self.head(self.features(planes))  # type: ignore[no-any-return]

    return Pretrained()


def _of_transformers(config: Mapping[str, Any]) -> "torch.nn.Module":
    from transformers import AutoConfig, AutoModel

    own = ("images", "mean", "std", "classes", "architectures")
    described = AutoConfig.for_model(**{name: value for name, value in config.items() if name not in own})
    made: torch.nn.Module = AutoModel.from_config(described)  # type: ignore[no-untyped-call]
    return made


def load_base(model: "torch.nn.Module", folder: Path) -> None:
    """Put the pretrained weights in `folder` into the model; its last layer stays as it was drawn.

    Raises TidemillError when tensors are missing.
    """
    from safetensors.torch import load_file

    if "images" in storage.read_json(folder / CONFIG):
        last = [name for name, value in model.named_parameters() if value.ndim == len(("class", "value"))][-1]
        own = {name: weight for name, weight in load_file(folder / WEIGHTS).items() if not name.startswith(last)}
        _fitting(model.load_state_dict(own, strict=False).missing_keys, folder, last.rpartition(".")[0])
        return
    encoder = model.body.encoder  # type: ignore[union-attr]
    prefix = f"{storage.read_json(folder / CONFIG)['model_type']}."
    named = {name.removeprefix(prefix): weight for name, weight in load_file(folder / WEIGHTS).items()}
    missing, _ = encoder.load_state_dict(named, strict=False)  # type: ignore[union-attr]
    # A pooler may be new: many published models are without.
    _fitting(missing, folder, "pooler")


def _fitting(missing: list[str], folder: Path, new: str) -> None:
    missing = [name for name in missing if new not in name]
    if missing:
        raise TidemillError(f"{folder / WEIGHTS}: lacks {len(missing)} tensors of its model, {missing[0]} first")


def features(folder: Path, form: Images) -> Callable[[Sequence[bytes]], NDArray[np.float32]]:
    """What turns images into features, images x width: those that the last layer of the base model in `folder` reads."""
    import torch

    config = of_base(folder, form.model_dump())
    model = classifier(config, 1).eval()
    load_base(model, folder)
    # The network from nothing is a sequence that ends with its last layer and its scale.
    read = model.body[:-2] if config["model_type"] == OWN else model.body.features  # type: ignore[index, union-attr]

    def made(contents: Sequence[bytes]) -> NDArray[np.float32]:
        pixels = pictures.batch(contents, config["images"]["size"], config["images"]["mode"])
        with torch.inference_mode():
            planes = model.planes(torch.from_numpy(pixels))  # type: ignore[operator]
            return np.asarray(read(planes).float().numpy())  # type: ignore[operator]

    return made


def load(folder: Path) -> "torch.nn.Module":
    """The trained classifier in `folder`, in evaluation mode."""
    from safetensors.torch import load_file

    config = storage.read_json(folder / CONFIG)
    model = classifier(config, len(config["classes"]))
    model.load_state_dict(load_file(folder / WEIGHTS))
    return model.eval()


def answering(folder: Path) -> "torch.nn.Module":
    """The trained classifier in `folder` as it answers: forward(pixels) returns a tuple of probabilities alone."""
    import torch

    class Answering(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = load(folder)

        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor]:
            return (torch.softmax(self.model(pixels), dim=-1),)

    return Answering().eval()
