"""Files that hold images as bare numbers, as tables with the column `image`."""

import mimetypes
import struct
from collections.abc import Iterable

import numpy as np
import pandas as pd

from tasks.collect.tables import table_of
from tasks.errors import SourceError
from tasks.images import data_uri, png
from tasks.recipe import Pixels, Table

IDX_BYTES = 0x08
"""The type of unsigned bytes in an idx header."""

CIFAR_SIDE = 32
CIFAR_ROW = 1 + 3 * CIFAR_SIDE**2
"""Bytes: the class's number, then the red, the green and the blue plane."""


def image_files(members: Iterable[tuple[str, bytes]]) -> pd.DataFrame:
    """Columns path and image; one row a file. The media type is what the file's ending says."""
    rows = [{"path": name, "image": data_uri(content, mimetypes.guess_type(name)[0])} for name, content in members]
    return table_of(rows, pd.Index([row["path"] for row in rows], name="file"))


def idx_table(content: bytes, _source: Table) -> pd.DataFrame:
    """The rows of an idx file (LeCun's MNIST): `key` (the position) and `image` or, of plain numbers, `label`.

    Raises SourceError when the header is none or promises another length.
    """
    zeros, kind, axes = struct.unpack(">HBB", content[:4]) if len(content) >= len("zkkk") else (1, 0, 0)
    start = 4 + 4 * axes
    if zeros or kind != IDX_BYTES or axes not in (1, 3) or len(content) < start:
        raise SourceError("is no idx file of unsigned bytes with one axis (labels) or three (images)")
    shape = struct.unpack(f">{axes}I", content[4:start])
    if len(content) - start != int(np.prod(shape)):
        raise SourceError(f"holds {len(content) - start:,} numbers where its header says {shape}; fetch it again")
    values = np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
    if axes == 1:
        return _numbered({"label": [str(value) for value in values]}, len(values))
    return _numbered({"image": [data_uri(png(row)) for row in values]}, len(values))


def cifar_table(content: bytes, _source: Table) -> pd.DataFrame:
    """The rows of a file of CIFAR-10's binary form: `key` (the position), `label` (a number) and `image`.

    Raises SourceError when it is not made of whole rows.
    """
    if not content or len(content) % CIFAR_ROW:
        raise SourceError(f"has {len(content):,} bytes, which is no multiple of {CIFAR_ROW}; it may be cut short")
    rows = np.frombuffer(content, dtype=np.uint8).reshape(-1, CIFAR_ROW)
    planes = rows[:, 1:].reshape(-1, 3, CIFAR_SIDE, CIFAR_SIDE).transpose(0, 2, 3, 1)
    labels = [str(value) for value in rows[:, 0]]
    return _numbered({"label": labels, "image": [data_uri(png(row)) for row in planes]}, len(rows))


def with_images(rows: pd.DataFrame, pixels: Pixels) -> pd.DataFrame:
    """The rows with their columns of grey values replaced by one `image`. Raises SourceError: a cell is no number."""
    last = pixels.first + pixels.width * pixels.height
    if rows.shape[1] < last:
        raise SourceError(f"has {rows.shape[1]} columns, fewer than the {last} that `pixels` asks for")
    try:
        values = rows.iloc[:, pixels.first : last].to_numpy(dtype=np.float64)
    except ValueError as error:
        raise SourceError(f"holds a pixel that is no number ({error}); check `pixels`") from error
    grey = np.clip(np.round(values * (255 / pixels.white)), 0, 255).astype(np.uint8)
    images = [data_uri(png(row)) for row in grey.reshape(-1, pixels.height, pixels.width)]
    others = rows.drop(columns=rows.columns[pixels.first : last])
    return others.assign(image=pd.Series(images, index=rows.index, dtype="str"))


def _numbered(columns: dict[str, list[str]], count: int) -> pd.DataFrame:
    keys = [str(number) for number in range(count)]
    return pd.DataFrame({"key": keys, **columns}, index=pd.RangeIndex(count, name="image"), dtype="str")
