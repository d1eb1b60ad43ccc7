"""The code, recipe and lock files as they are now, dirty or not, in one archive that always has the same bytes."""

import gzip
import io
import tarfile
from pathlib import Path

FOLDERS = ("tasks", "flows", "expectations")
FILES = ("dvc.yaml", "dvc.lock", ".dvc/config", ".dvcignore")
INSTALLED_BY = ("pyproject.toml", "requirements.lock", "Makefile", "README.md", "LICENSE")
"""What `make setup` needs, to install the versions of then."""
LEFT_OUT = ("__pycache__", ".pyc")


def members(root: Path, recipe: str) -> list[Path]:
    """The files that a version needs to be made again, sorted."""
    found = [file for folder in FOLDERS for file in (root / folder).rglob("*") if file.is_file()]
    found += [root / name for name in (*FILES, *INSTALLED_BY)]
    found += [root / "recipes" / f"{recipe}.yaml", root / "recipes" / "all.yaml"]
    found += (root / "data" / recipe).glob("*.dvc")
    return sorted(file for file in set(found) if file.is_file() and not _left_out(file.relative_to(root).as_posix()))


def _left_out(path: str) -> bool:
    return any(part in path for part in LEFT_OUT)


def archive(root: Path, recipe: str) -> bytes:
    """A .tar.gz of the members, without times, owners or order of the disk."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in members(root, recipe):
            content = file.read_bytes()
            entry = tarfile.TarInfo(file.relative_to(root).as_posix())
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)
