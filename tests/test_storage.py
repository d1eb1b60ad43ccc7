"""What is written is written whole, or not at all."""

import errno
import os

import pandas as pd
import pytest

from tasks import storage
from tasks.errors import TidemillError


def half_written(file, fault):
    with storage.atomic(file) as temporary:
        temporary.write_text("half")
        raise fault


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    file = tmp_path / "figures.json"
    storage.write_json(file, {"a": 1})
    with pytest.raises(RuntimeError):
        half_written(file, RuntimeError())
    assert storage.read_json(file) == {"a": 1}
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(("code", "words"), [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "cannot be written")])
def test_a_disk_that_refuses_is_one_clear_line(tmp_path, code, words):
    with pytest.raises(TidemillError, match=words):
        half_written(tmp_path / "x", OSError(code, os.strerror(code)))
    assert list(tmp_path.iterdir()) == []


def test_equal_tables_are_equal_bytes_and_come_back_as_they_were(tmp_path):
    table = pd.DataFrame({"record_id": ["a", "b"], "share": [0.25, 0.75]})
    for name in ("one", "two"):
        storage.write_table(tmp_path / name, table)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    pd.testing.assert_frame_equal(storage.read_table(tmp_path / "one"), table)


def test_a_table_cut_short_and_a_missing_one_say_which_file(tmp_path):
    file = tmp_path / "records.parquet"
    storage.write_table(file, pd.DataFrame({"text": ["x"] * 100}))
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(TidemillError, match=r"records\.parquet: is no readable Parquet table"):
        storage.read_table(file)
    with pytest.raises(TidemillError, match=r"none\.parquet: is missing"):
        storage.read_table(tmp_path / "none.parquet")
