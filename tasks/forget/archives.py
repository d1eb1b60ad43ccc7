"""What compressed files and archives hold, one inside the other."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmap import mmap

DEPTH = 5
"""Archives inside archives that are opened; deeper ones are looked at as they lie there."""

_DECOMPRESSORS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ": lzma.decompress,
}
_ZIP = b"PK\x03\x04"
_TAR_MARK, _TAR_MARK_AT = b"ustar", 257
_DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, RuntimeError)


def packed(content: "bytes | mmap") -> bool:
    """Whether it is an archive or compressed."""
    start = content[:8]
    tar = content[_TAR_MARK_AT : _TAR_MARK_AT + len(_TAR_MARK)] == _TAR_MARK
    return tar or start.startswith((_ZIP, *_DECOMPRESSORS))


def unpacked(content: "bytes | mmap", depth: int = DEPTH) -> Iterator[bytes]:
    """Everything inside that is no archive itself; what is damaged ends where the damage begins."""
    try:
        for inner in _members(content):
            if depth and packed(inner):
                yield from unpacked(inner, depth - 1)
            else:
                yield inner
    except _DAMAGE:
        return


def _members(content: "bytes | mmap") -> Iterator[bytes]:
    plain = bytes(content)
    for start, decompress in _DECOMPRESSORS.items():
        if plain.startswith(start):
            yield decompress(plain)
            return
    if plain.startswith(_ZIP):
        with zipfile.ZipFile(io.BytesIO(plain)) as archive:
            yield from (archive.read(entry) for entry in archive.infolist() if not entry.is_dir())
        return
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        opened = (archive.extractfile(entry) for entry in archive if entry.isfile())
        yield from (file.read() for file in opened if file is not None)
