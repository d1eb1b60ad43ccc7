"""Small images of several kinds, good and bad, as bytes."""

import io
import struct
import zlib

import numpy as np
import pandas as pd
from PIL import Image

from tasks.images import data_uri
from tasks.records import record_id, typed

CLASSES = ("left", "middle", "right")
"""Where the bright bar of a bar image stands."""


def bars(rows: int, seed: int = 3, side: int = 12) -> pd.DataFrame:
    """Prepared records of noisy grey PNG images with one bright bar, labelled by where it stands."""
    random = np.random.default_rng(seed)
    numbers = random.integers(0, len(CLASSES), rows)
    contents = []
    for number in numbers:
        pixels = random.integers(0, 90, (side, side))
        pixels[:, 1 + 4 * number : 3 + 4 * number] += 140
        contents.append(encoded(pixels.astype(np.uint8)))
    return pd.DataFrame({"image": contents, "label": [CLASSES[number] for number in numbers]})


def encoded(pixels: np.ndarray, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


def bomb(side: int = 30_000) -> bytes:
    """A PNG of a few hundred bytes whose header says side x side pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100_000), 9)), (b"IEND", b"")]
    framed = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def shard(contents: list[bytes], types: list[str] | None = None) -> pd.DataFrame:
    """A record shard as collect leaves it."""
    kinds = types or [data_uri(content).partition(";")[0].removeprefix("data:") for content in contents]
    table = pd.DataFrame(
        {
            "record_id": [record_id(content) for content in contents],
            "image": pd.Series(contents, dtype="object"),
            "media_type": kinds,
            "source": "camera",
            "source_key": [f"{number}.png" for number in range(len(contents))],
            "domain": pd.Series(None, index=range(len(contents)), dtype="str"),
            "group": pd.Series(None, index=range(len(contents)), dtype="str"),
            "happened_at": pd.Series(pd.NaT, index=range(len(contents)), dtype="datetime64[us, UTC]"),
            "collected_at": "2026-01-02",
        }
    )
    return typed(table)
