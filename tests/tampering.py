"""Faults planted into a remote or a registry: what the tests and bench/rebuild.py share."""

import io
import tarfile
from pathlib import Path


def remote_object(remote: Path, md5: str) -> Path:
    """Where a DVC remote that is a folder keeps the bytes with this md5."""
    return remote / "files" / "md5" / md5[:2] / md5[2:]


def flip(file: Path) -> None:
    """Change one bit in the middle of the file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)


def edit_source(archive: Path, member: str, before: str, after: str) -> None:
    """Replace `before` by `after` in one file of a .tar.gz."""
    content = io.BytesIO()
    with tarfile.open(archive) as old, tarfile.open(fileobj=content, mode="w:gz") as new:
        for entry in old:
            text = old.extractfile(entry).read()
            if entry.name == member:
                assert before.encode() in text
                text = text.replace(before.encode(), after.encode())
                entry.size = len(text)
            new.addfile(entry, io.BytesIO(text))
    archive.write_bytes(content.getvalue())
