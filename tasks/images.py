"""Images as bytes and as numbers: one way to read them for training, evaluation and serving."""

import base64
import binascii
import io
import itertools
import re
import struct
import warnings
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp", "BMP": "image/bmp"}
"""What is read, by Pillow's name of it. Other decoders are never called: less code meets foreign bytes."""

MOST_PIXELS = 40_000_000
"""Of one image: a large camera's. The size stands in the header, so that a bomb is refused before it is unpacked."""

MODES = {"grey": "L", "rgb": "RGB"}
CHANNELS = {"grey": 1, "rgb": 3}

OCCLUDED = 6
"""An image is looked at without each of 6 x 6 places."""
GREY = 128

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels."""

_DATA_URI = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+);base64,(?P<content>[A-Za-z0-9+/]*={0,2})", re.ASCII)
_STARTS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
}
_LONGEST_STORED = 65_535


class ImageError(ValueError):
    """Why bytes are no image that can be used, in a few words."""


def opened(content: bytes) -> "Image.Image":
    """The image, decoded whole, upright (EXIF), its first frame. Raises ImageError: empty, broken, huge, no image."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not content:
        raise ImageError("empty: no bytes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of what is refused below
        try:
            image = Image.open(io.BytesIO(content), formats=list(FORMATS))
            if image.width * image.height > MOST_PIXELS:
                raise ImageError(f"huge: {image.width} x {image.height} pixels, more than {MOST_PIXELS:,}")
            image.load()
            return _marked(ImageOps.exif_transpose(image), image.format)
        except ImageError:
            raise
        except Image.DecompressionBombError as error:
            raise ImageError(f"huge: more than {MOST_PIXELS:,} pixels") from error
        except UnidentifiedImageError as error:
            raise ImageError(f"no image: not one of {', '.join(FORMATS)}") from error
        except Exception as error:  # each decoder of Pillow raises its own classes on damage
            raise ImageError(f"broken: {' '.join(str(error).split()) or type(error).__name__}") from error


def _marked(image: "Image.Image", form: str | None) -> "Image.Image":
    """The image with its file's form, which Pillow forgets when it turns one."""
    image.format = form
    return image


def media_type(content: bytes) -> str:
    """The media type that the first bytes tell, or application/octet-stream."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _STARTS.items() if content.startswith(start)), "application/octet-stream")


def fitted(image: "Image.Image", size: int, mode: str) -> Pixels:
    """Pixels, size x size x channels: scaled to the shorter side and cut at the middle; transparency becomes white."""
    from PIL import Image, ImageOps

    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    plain = image.convert(MODES[mode])
    if plain.size != (size, size):
        shrinks = min(plain.size) >= size
        plain = ImageOps.fit(plain, (size, size), Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR)
    return np.asarray(plain, dtype=np.uint8).reshape(size, size, CHANNELS[mode])


def light(image: "Image.Image") -> tuple[float, float]:
    """Brightness and contrast: mean and deviation of the grey values, between 0 and 1, six digits."""
    grey = np.asarray(image.convert("L"), dtype=np.float64) / 255
    return round(float(grey.mean()), 6), round(float(grey.std()), 6)


def batch(contents: Sequence[bytes], size: int, mode: str) -> Pixels:
    """The pixels of several images, n x size x size x channels. Raises ImageError."""
    pixels = [fitted(opened(content), size, mode) for content in contents]
    return np.stack(pixels) if pixels else np.zeros((0, size, size, CHANNELS[mode]), dtype=np.uint8)


def occluded(pixels: Pixels) -> list[tuple[Box, Pixels]]:
    """The image (height x width x channels) without each of up to 6 x 6 places, which are grey there.

    What a class loses so is what the place spoke for it (occlusion: Zeiler and Fergus 2014).
    """
    rows, columns = (np.linspace(0, length, OCCLUDED + 1).astype(int).tolist() for length in pixels.shape[:2])
    found = []
    for (top, bottom), (left, right) in itertools.product(itertools.pairwise(rows), itertools.pairwise(columns)):
        if top < bottom and left < right:
            without = pixels.copy()
            without[top:bottom, left:right] = GREY
            found.append(((left, top, right, bottom), without))
    return found


def png(pixels: NDArray[Any]) -> bytes:
    """A PNG of grey (height x width) or RGB (height x width x 3) pixels, not compressed.

    The same pixels are the same bytes whatever library version is installed, so they can be a record's identity;
    Parquet compresses them. Form: PNG (ISO/IEC 15948), its data in stored blocks of zlib (RFC 1950, RFC 1951).
    """
    height, width = pixels.shape[:2]
    colour_type = 0 if pixels.ndim == len(("height", "width")) else 2
    rows = np.ascontiguousarray(pixels, dtype=np.uint8).reshape(height, -1)
    lines = np.hstack([np.zeros((height, 1), dtype=np.uint8), rows]).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", _stored(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _stored(content: bytes) -> bytes:
    starts = range(0, len(content), _LONGEST_STORED)
    blocks = [content[start : start + _LONGEST_STORED] for start in starts]
    framed = [
        struct.pack("<BHH", number == len(blocks), len(block), len(block) ^ 0xFFFF) + block
        for number, block in enumerate(blocks, start=1)
    ]
    return b"\x78\x01" + b"".join(framed) + struct.pack(">I", zlib.adler32(content))


def data_uri(content: bytes, kind: str | None = None) -> str:
    """The bytes as a `data:` URI (RFC 2397), with the media type that is given or that they tell."""
    return f"data:{kind or media_type(content)};base64,{base64.b64encode(content).decode()}"


def from_data_uri(text: str) -> tuple[bytes, str]:
    """Bytes and media type of a `data:` URI; any other text is its own bytes, as text/plain."""
    found = _DATA_URI.fullmatch(text)
    if found is None:
        return text.encode(), "text/plain"
    try:
        return base64.b64decode(found["content"], validate=True), found["type"]
    except binascii.Error:
        return text.encode(), "text/plain"
