"""What a version is registered with."""

from tasks.release import source


def test_the_source_archive_has_the_same_bytes_and_leaves_caches_out(tmp_path):
    (tmp_path / "tasks/__pycache__").mkdir(parents=True)
    (tmp_path / "tasks/a.py").write_text("A = 1\n")
    (tmp_path / "tasks/__pycache__/a.pyc").write_bytes(b"x")
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    assert [file.name for file in source.members(tmp_path, "feedback")] == ["dvc.yaml", "a.py"]
    first = source.archive(tmp_path, "feedback")
    (tmp_path / "tasks/a.py").touch()
    assert source.archive(tmp_path, "feedback") == first
