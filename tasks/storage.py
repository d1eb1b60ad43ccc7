"""The only reader and writer of files: what is written is written whole, durably, or not at all."""

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tasks.errors import TidemillError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


SCRATCH = "tidemill-scratch-"
"""How the names of our folders in the system's temporary folder begin: what a killed run leaves there can be found."""


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder that is gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix=SCRATCH) as folder:
        yield Path(folder)


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place on success and is removed on any failure.

    Raises TidemillError when the disk is full or the place cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with disk_faults(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def disk_faults(path: Path) -> Iterator[None]:
    """A full disk and a place that cannot be written as TidemillErrors that name `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise TidemillError(f"{path}: the disk is full; free some space and run the same command again") from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise TidemillError(f"{path}: cannot be written ({error.strerror}); check the folder's owner") from error
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> None:
    """The bytes, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """The text in UTF-8, whole or not at all."""
    write_bytes(path, content.encode())


def write_json(path: Path, value: Any) -> None:
    """Sorted keys, two spaces, a last newline: equal values are equal bytes."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """The value as `write_json` writes it."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def read_json(path: Path) -> Any:
    """Raises TidemillError when the file is missing or no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TidemillError(f"{path}: is missing; run the step that makes it first") from error
    except ValueError as error:
        raise TidemillError(f"{path}: is no valid JSON ({error})") from error


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Parquet (zstd) without an index: equal tables are equal bytes."""
    with atomic(path) as temporary:
        table.to_parquet(temporary, index=False, compression="zstd")


def write_arrow(path: Path, table: "pa.Table") -> None:
    """An Arrow table as Parquet (zstd), whole or not at all."""
    from pyarrow import parquet

    with atomic(path) as temporary:
        parquet.write_table(table, temporary, compression="zstd")


def read_table(path: Path, columns: list[str] | None = None) -> "pd.DataFrame":
    """Raises TidemillError when the file is missing, cut short, or lacks one of `columns`."""
    import pandas as pd
    import pyarrow as pa

    try:
        return pd.read_parquet(path, columns=columns)
    except FileNotFoundError as error:
        raise TidemillError(f"{path}: is missing; run the step that makes it first") from error
    except (pa.ArrowInvalid, pa.ArrowKeyError, KeyError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise TidemillError(f"{path}: is no readable Parquet table ({reason})") from error


def sha256_file(path: Path) -> str:
    """Hexadecimal sha256 of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_with(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill an open binary file that becomes `path` when it returns."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        write(file)
