"""Images as pixels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import image_model, images

if TYPE_CHECKING:
    import torch

FILES: tuple[str, ...] = ()
"""What has to lie beside the model's file: nothing, it scales and normalises the pixels itself."""

FORM = "images"
"""What model.json has to tell."""


@dataclass(frozen=True)
class Encoder:
    """The size and mode of the model's input, as every kind's encoder is used."""

    size: int
    mode: str
    apart: bool = False
    """Activations are scaled by what was seen when the model was quantised."""

    def rows(self, contents: Sequence[bytes]) -> list[bytes]:
        """The images as they are: decoded they would fill the memory."""
        return list(contents)

    def grouped(self, rows: Sequence[bytes], size: int) -> Iterator[list[int]]:
        """Positions in their order, at most `size` together."""
        for start in range(0, len(rows), size):
            yield list(range(start, min(start + size, len(rows))))

    def inputs(self, rows: Sequence[bytes]) -> dict[str, Any]:
        """What the model takes: `pixels`, rows x size x size x channels, uint8. Raises images.ImageError."""
        return {"pixels": images.batch(rows, self.size, self.mode)}


def encoder(_folder: Path, description: Mapping[str, Any]) -> Encoder:
    """The encoder of the model that model.json describes: `images` has the `size` and the `mode` of its input."""
    return Encoder(description["images"]["size"], description["images"]["mode"])


def network(folder: Path) -> "torch.nn.Module":
    """The trained model in `folder` in torch: it takes what `Encoder.inputs` gives, by name, and returns a tuple."""
    return image_model.answering(folder)
