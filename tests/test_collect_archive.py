"""Members of archives: only what was asked for, nothing outside, nothing without end."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from tasks.collect.archive import members
from tasks.errors import SourceError

FILES = {"data/a.csv": b"text\none\n", "data/deep/b.csv": b"text\ntwo\n", "readme.txt": b"hello\n"}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def linked(target: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("data/a.csv")
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        archive.addfile(entry)
    return buffer.getvalue()


def found(path: Path, pattern: str | None, limit: int | None = None) -> dict[str, bytes]:
    return {name: stream.read() for name, stream in members(path, pattern, "the source", limit)}


def written(folder: Path, content: bytes, name: str = "archive") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("content", [zipped(FILES), tarred(FILES), tarred(FILES, "w"), tarred(FILES, "w:xz")])
@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("data/a.csv", ["data/a.csv"]),
        ("data/*", ["data/a.csv"]),
        ("data/", ["data/a.csv", "data/deep/b.csv"]),
        ("**/*.csv", ["data/a.csv", "data/deep/b.csv"]),
        ("data/?.csv", ["data/a.csv"]),
    ],
)
def test_patterns_choose_members_of_every_kind_of_archive(
    tmp_path: Path, content: bytes, pattern: str, names: list[str]
) -> None:
    assert found(written(tmp_path, content), pattern) == {name: FILES[name] for name in names}


def test_a_member_of_an_archive_inside_an_archive_is_reached_with_an_exclamation_mark(tmp_path: Path) -> None:
    path = written(tmp_path, zipped({"inner.tar.gz": tarred({"deep.zip": zipped(FILES)})}))
    assert found(path, "inner.tar.gz!deep.zip!data/a.csv") == {"data/a.csv": FILES["data/a.csv"]}


def test_a_compressed_file_is_unpacked_and_loses_its_ending(tmp_path: Path) -> None:
    path = written(tmp_path, gzip.compress(b"text\none\n"), "rows.csv.gz")
    assert found(path, None) == {"rows.csv": b"text\none\n"}


def test_a_plain_file_is_given_as_it_is(tmp_path: Path) -> None:
    assert found(written(tmp_path, b"text\n", "rows.csv"), None) == {"rows.csv": b"text\n"}


@pytest.mark.parametrize(
    "content", [zipped({"../evil.txt": b"x"}), tarred({"../evil.txt": b"x"}), tarred({"/evil": b"x"})]
)
def test_a_member_that_leads_outside_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SourceError, match="leads out of the archive"):
        found(written(tmp_path, content), "**")


def test_a_link_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"the source: member 'data/a.csv' is a link"):
        found(written(tmp_path, linked("/etc/hostname")), "data/a.csv")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, pack: object) -> None:
    bomb = pack({"zeros": bytes(10_000_000)})  # type: ignore[operator]
    assert len(bomb) < 50_000
    with pytest.raises(SourceError, match="unpacks to more than 1,000,000 bytes"):
        found(written(tmp_path, bomb), "zeros", limit=1_000_000)


@pytest.mark.parametrize("content", [zipped(FILES), tarred(FILES)])
def test_a_truncated_archive_is_named_in_one_line(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SourceError, match="the source: is damaged or cut short") as error:
        found(written(tmp_path, content[:-20]), "data/a.csv")
    assert "\n" not in str(error.value)


def test_a_wrong_check_sum_behind_the_last_member_is_noticed(tmp_path: Path) -> None:
    exactly_five_reads = 5 * 65536 - 3 * 512
    content = bytearray(tarred({"data/a.csv": bytes(exactly_five_reads)}))
    content[-8] ^= 1
    with pytest.raises(SourceError, match="is damaged or cut short"):
        found(written(tmp_path, bytes(content)), "data/a.csv")


def test_a_missing_member_is_answered_with_close_names(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"has no member 'dat/a.csv'; close are data/a.csv"):
        found(written(tmp_path, zipped(FILES)), "dat/a.csv")


def test_an_archive_with_several_files_wants_to_know_which(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="say which is meant with `member`"):
        found(written(tmp_path, tarred(FILES)), None)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped({"a": b"x"}))
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        content[content.index(mark) + (6 if mark[2] == 3 else 8)] |= 1
    with pytest.raises(SourceError, match="is encrypted"):
        found(written(tmp_path, bytes(content)), "a")
