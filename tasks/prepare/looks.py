"""What can be seen of one image, and which images show the same."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks.images import FORMATS, ImageError, fitted, light, opened
from tasks.progress import Report

if TYPE_CHECKING:
    from PIL import Image

HASH_SIDE = 8
COPY_SIDE = 16
"""Pixels a side of the small grey copies that are compared."""

BLOCK = 1024
"""Images that are compared with all earlier ones in one product of matrices."""

SLACK = 1e-3
"""More than float32 can be wrong by: pairs so near to the bound are looked at in float64."""


@dataclass(frozen=True)
class Look:
    """What an image is, or why it is none (`fault`)."""

    width: int | None = None
    height: int | None = None
    mode: str | None = None
    brightness: float | None = None
    contrast: float | None = None
    pixels_sha256: str | None = None
    perceptual_hash: str | None = None
    fault: str | None = None


def look_at(content: bytes, media_type: str | None) -> Look:
    """The look of an image; a fault begins with empty, broken, huge, no image, or lying (another type than it says)."""
    try:
        image = opened(content)
    except ImageError as error:
        return Look(fault=str(error))
    kind = FORMATS[str(image.format)]
    if kind != media_type:
        return Look(fault=f"lying: says {media_type}, is {kind}")
    plain = image.convert("RGBA" if image.has_transparency_data else "RGB")
    identity = hashlib.sha256(f"{image.width}x{image.height}".encode() + plain.tobytes()).hexdigest()
    brightness, contrast = light(image)
    return Look(
        width=image.width,
        height=image.height,
        mode=image.mode,
        brightness=brightness,
        contrast=contrast,
        pixels_sha256=identity,
        perceptual_hash=difference_hash(image),
    )


def difference_hash(image: "Image.Image") -> str:
    """64 bits in hexadecimal: whether each of 8 x 8 places is darker than its right neighbour (Krawetz 2013, dHash)."""
    from PIL import Image

    small = image.convert("L").resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BILINEAR)
    grey = np.asarray(small, dtype=np.int16)
    return np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes().hex()


def near_copies(contents: Sequence[bytes], correlation: float, report: Report) -> list[int | None]:
    """For each image the position of the earliest kept one that looks the same, or None when it is kept itself.

    Two images look the same when their grey copies of 16 x 16 pixels correlate as much as that. All pairs are compared:
    70,000 images take some 20 seconds on two cores, and ten times as many a hundred times as long.
    Images are judged in order against kept ones only, so further images never change the fate of earlier ones.
    """
    small = _unit_rows(contents)
    found: list[int | None] = [None] * len(small)
    for start in range(0, len(small), BLOCK):
        block = small[start : start + BLOCK]
        near = block @ small[: start + len(block)].T > correlation - SLACK
        for row, earlier in zip(*np.nonzero(near), strict=True):
            later = start + int(row)
            is_candidate = earlier < later and found[later] is None and found[earlier] is None
            if is_candidate and _correlation(small[later], small[earlier]) >= correlation:
                found[later] = int(earlier)
        report(start + len(block))
    return found


def _unit_rows(contents: Sequence[bytes]) -> NDArray[np.float32]:
    """The grey copies as rows of mean 0 and length 1; images of one colour are zero and like no other."""
    rows = np.zeros((len(contents), COPY_SIDE**2), dtype=np.float32)
    for row, content in zip(rows, contents, strict=True):
        grey = fitted(opened(content), COPY_SIDE, "grey").ravel().astype(np.float32)
        row[:] = grey - grey.mean()
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """In float64 and in one order of summing, whatever the number of threads."""
    return float(np.sum(one.astype(np.float64) * other.astype(np.float64)))
