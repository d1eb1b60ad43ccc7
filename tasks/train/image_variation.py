"""Training images varied at random, so that the network learns what does not matter."""

from typing import TYPE_CHECKING

import numpy as np

from tasks.images import Pixels
from tasks.recipe import Augment

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image


def varied(pixels: Pixels, wanted: Augment, random: np.random.Generator) -> Pixels:
    """The images (rows x height x width x channels) shifted, flipped, changed and cut as `wanted` says; a copy.

    What happens to each follows from `random` alone, which the loop seeds by step.
    """
    steps: list[tuple[float, Callable[[Pixels], Pixels]]] = [
        (wanted.flip, lambda images: flipped(images, random)),
        (wanted.crop, lambda images: shifted(images, wanted.crop, random)),
        (wanted.randaugment, lambda images: changed(images, wanted.randaugment, random)),
        (wanted.cutout, lambda images: cut_out(images, wanted.cutout, random)),
    ]
    for asked, step in steps:
        pixels = step(pixels) if asked else pixels
    return pixels


def flipped(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Each image mirrored left to right with a chance of one half."""
    mirrored = random.random(len(pixels)) < 1 / 2
    return np.where(mirrored[:, None, None, None], pixels[:, :, ::-1], pixels)


def shifted(pixels: Pixels, most: int, random: np.random.Generator) -> Pixels:
    """Each image moved by up to `most` pixels in both directions; its border is mirrored into the gap."""
    rows, height, width, _ = pixels.shape
    bordered = np.pad(pixels, ((0, 0), (most, most), (most, most), (0, 0)), mode="reflect")
    down, right = random.integers(0, 2 * most + 1, (2, rows, 1, 1))
    across = (np.arange(rows)[:, None, None], down + np.arange(height)[:, None], right + np.arange(width))
    return np.asarray(bordered[across])


def cut_out(pixels: Pixels, side: int, random: np.random.Generator) -> Pixels:
    """Each image with a grey square of `side` pixels at a random place (DeVries and Taylor 2017)."""
    rows, height, width, _ = pixels.shape
    middle_y, middle_x = random.integers(0, height, (rows, 1, 1)), random.integers(0, width, (rows, 1, 1))
    far_y = np.abs(np.arange(height)[:, None] - middle_y) > side // 2
    far_x = np.abs(np.arange(width) - middle_x) > side // 2
    return np.where((far_y | far_x)[..., None], pixels, np.uint8(128))


def changed(pixels: Pixels, strength: int, random: np.random.Generator) -> Pixels:
    """Each image after two random operations at `strength` of 30 (RandAugment, Cubuk et al. 2020)."""
    from PIL import Image, ImageEnhance, ImageOps

    share = strength / 30
    operations: list[Callable[[Image.Image, float], Image.Image]] = [
        lambda image, _: image,
        lambda image, _: ImageOps.autocontrast(image),
        lambda image, _: ImageOps.equalize(image),
        lambda image, by: image.rotate(30 * by, Image.Resampling.BILINEAR),
        lambda image, by: ImageEnhance.Contrast(image).enhance(1 + 0.9 * by),
        lambda image, by: ImageEnhance.Brightness(image).enhance(1 + 0.9 * by),
        lambda image, by: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * by),
        lambda image, by: ImageOps.solarize(image, int(256 - 128 * abs(by))),
        lambda image, by: ImageOps.posterize(image, int(8 - 4 * abs(by))),
        lambda image, by: _sheared(image, (1, 0.3 * by, 0, 0, 1, 0)),
        lambda image, by: _sheared(image, (1, 0, 0, 0.3 * by, 1, 0)),
    ]
    chosen = random.integers(0, len(operations), (len(pixels), 2))
    signs = random.choice((-1.0, 1.0), (len(pixels), 2))
    made = np.empty_like(pixels)
    for row, (names, directions) in enumerate(zip(chosen, signs, strict=True)):
        image = Image.fromarray(pixels[row].squeeze())
        for name, direction in zip(names, directions, strict=True):
            image = operations[name](image, share * float(direction))
        made[row] = np.asarray(image).reshape(pixels.shape[1:])
    return made


def _sheared(image: "Image.Image", by: tuple[float, ...]) -> "Image.Image":
    from PIL import Image

    return image.transform(image.size, Image.Transform.AFFINE, by, Image.Resampling.BILINEAR)
