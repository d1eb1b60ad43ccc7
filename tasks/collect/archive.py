"""Members of archives as streams: nothing is written to disk but an inner archive, and that without a name."""

import bz2
import difflib
import functools
import gzip
import io
import lzma
import re
import shutil
import stat
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from tasks.errors import SourceError

if TYPE_CHECKING:
    from typing_extensions import Buffer

Member = tuple[str, IO[bytes]]
"""A member's path inside its archive, and its bytes: to be read before the next member is asked for."""

UNPACKED_AT_LEAST = 2**30
UNPACKED_RATIO = 200
"""An archive may unpack to 1 GiB, or to 200 times its size (real tables: 3 to 50 times; bombs: 1,000 and more)."""

_DECOMPRESSORS: dict[bytes, Callable[[IO[bytes]], IO[bytes]]] = {
    b"\x1f\x8b": lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file)),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    NotImplementedError,
)
_SHOWN_NAMES = 5


def members(path: Path, pattern: str | None, name: str, limit: int | None = None) -> Iterator[Member]:
    """The members of the file at `path` that match `pattern`, in the archive's order.

    `!` goes into an inner archive, a pattern that ends in `/` takes a whole folder, `*` and `?` match inside a folder,
    `**` across folders. Without a pattern: the file itself (unpacked if it is compressed), or an archive's only member.
    `limit` bounds the unpacked bytes. Raises SourceError (beginning with `name`) on a damaged archive, a pattern that
    matches nothing, a member that is a link or leads outside, and more unpacked bytes than allowed.
    """
    bound = limit or max(UNPACKED_AT_LEAST, UNPACKED_RATIO * path.stat().st_size)
    with path.open("rb") as file, _faults_named(name):
        yield from _inside(file, pattern.split("!") if pattern else [], path.name, bound)


@contextmanager
def _faults_named(name: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise SourceError(f"{name}: is damaged or cut short ({error}); fetch it again") from error
    except SourceError as error:
        raise SourceError(f"{name}: {error}") from error


def _inside(file: IO[bytes], patterns: Sequence[str | None], file_name: str, bound: int) -> Iterator[Member]:
    """The members that the first pattern selects, or what the other patterns select inside of them."""
    first, *others = patterns or [None]
    for member, stream in _selected(file, first, file_name, bound):
        if not others:
            yield member, stream
            continue
        with tempfile.TemporaryFile() as inner:
            shutil.copyfileobj(stream, inner, 1 << 20)
            inner.seek(0)
            yield from _inside(inner, others, member, bound)


def _selected(file: IO[bytes], pattern: str | None, file_name: str, bound: int) -> Iterator[Member]:
    """The members of one archive that match, or the file itself when it is none."""
    start = _start(file)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        yield from _zip_members(file, pattern, bound)
        return
    stream, plain_name = _decompressed(file, start, file_name, bound)
    if _is_tar(stream.peek(tarfile.BLOCKSIZE)[: tarfile.BLOCKSIZE]):
        yield from _tar_members(stream, pattern)
    elif pattern is None:
        yield plain_name, cast("IO[bytes]", stream)
    else:
        raise SourceError(f"is no archive, so it has no member {pattern!r}; leave `member` out")


def _is_tar(block: bytes) -> bool:
    """By the header's check sum: tars of before 1988 bear no mark."""
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _start(file: IO[bytes]) -> bytes:
    start = file.read(8)
    file.seek(0)
    return start


def _decompressed(file: IO[bytes], start: bytes, file_name: str, bound: int) -> "tuple[io.BufferedReader[Any], str]":
    """The stream without its compression (gzip, bzip2, xz) and the name without that ending."""
    for magic, opened in _DECOMPRESSORS.items():
        if start.startswith(magic):
            stream = io.BufferedReader(_Metered(opened(file), bound), 1 << 16)
            return stream, re.sub(r"\.(gz|bz2|xz)$", "", file_name)
    return io.BufferedReader(_Metered(file, sys.maxsize), 1 << 16), file_name


class _Metered(io.RawIOBase):
    """A stream that refuses to give more than `bound` bytes."""

    def __init__(self, stream: IO[bytes], bound: int) -> None:
        super().__init__()
        self._stream, self._bound, self._given = stream, bound, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer") -> int:
        view = memoryview(buffer)
        chunk = self._stream.read(len(view))
        view[: len(chunk)] = chunk
        self._given += len(chunk)
        if self._given > self._bound:
            raise SourceError(_too_much(self._bound))
        return len(chunk)


def _zip_members(file: IO[bytes], pattern: str | None, bound: int) -> Iterator[Member]:
    """The wanted members of a zip; none gives more bytes than the zip's own directory says."""
    with zipfile.ZipFile(file) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        names = [entry.filename for entry in entries]
        wanted = [entry for entry in entries if _wanted(entry.filename, pattern, names)]
        if not wanted:
            raise _nothing_matches(pattern, names)
        if sum(entry.file_size for entry in wanted) > bound:
            raise SourceError(_too_much(bound))
        for entry in wanted:
            name = _safe(entry.filename, _zip_entry_fault(entry))
            with archive.open(entry) as content:
                yield name, content


def _zip_entry_fault(entry: zipfile.ZipInfo) -> str | None:
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "is a link"
    return "is encrypted" if entry.flag_bits & 1 else None


def _tar_members(stream: "io.BufferedReader[Any]", pattern: str | None) -> Iterator[Member]:
    """The wanted members of a tar, in one pass; the end is read too, so that a file cut short is noticed."""
    names: list[str] = []
    found = False
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for entry in archive:
            if entry.isdir():
                continue
            names.append(entry.name)
            if not _wanted(entry.name, pattern, names):
                continue
            found = True
            name = _safe(entry.name, None if entry.isfile() else "is a link or a device")
            content = archive.extractfile(entry)
            if content is not None:
                yield name, content
    while stream.read(1 << 20):
        pass
    if not found:
        raise _nothing_matches(pattern, names)


def _wanted(name: str, pattern: str | None, names: list[str]) -> bool:
    """Whether a member is asked for. Without a pattern an archive may hold one file only."""
    if pattern is None:
        if len(names) > 1:
            raise SourceError(f"holds {_first(names)}; say which is meant with `member`")
        return True
    return _expression(pattern).fullmatch(name.removeprefix("./")) is not None


@functools.cache
def _expression(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression: `*` and `?` stay inside a folder, `**` does not, a last `/` takes all."""
    whole = f"{pattern}**" if pattern.endswith("/") else pattern
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.split(r"(\*\*/|\*\*|\*|\?)", whole)
    return re.compile("".join(parts.get(token) or re.escape(token) for token in tokens), re.DOTALL)


def _safe(name: str, fault: str | None) -> str:
    """The member's name, or SourceError when it is no plain file or leads out of the archive."""
    if fault:
        raise SourceError(f"member {name!r} {fault}; only plain files are read")
    if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or name[1:2] == ":":
        raise SourceError(f"member {name!r} leads out of the archive; such an archive is not read")
    return name.removeprefix("./")


def _nothing_matches(pattern: str | None, names: list[str]) -> SourceError:
    close = difflib.get_close_matches(pattern or "", names[:1000], n=3, cutoff=0.4)
    hint = f"close are {', '.join(close)}" if close else f"it holds {_first(names)}"
    return SourceError(f"has no member {pattern!r}; {hint}" if names else "is an empty archive")


def _too_much(bound: int) -> str:
    return f"unpacks to more than {bound:,} bytes; it may be a decompression bomb"


def _first(names: list[str]) -> str:
    more = ", …" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more
