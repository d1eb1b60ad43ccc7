"""A disk that is full stops a run with one line and nothing half-written; with space the same command goes on."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_project import small_project
from tiny_project import Project, Servers

from tasks import storage

pytest_plugins = ["tiny_project", "small_project"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="a small disk can only be mounted by root"),
]

TOO_SMALL_KB = (64, 256, 768, 1536)
"""Too little for the shards, for the splits, for the model, for its ONNX form."""
ENOUGH_KB = 100_000


@pytest.fixture
def small_disk(tmp_path: Path, small_template: Path, live_servers: Servers) -> Iterator[Project]:
    """A project whose data lie on a disk of their own."""
    project = small_project(small_template, tmp_path, live_servers, "disk")
    data = project.root / "data"
    data.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tidemill", str(data)], check=False)
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    yield project
    subprocess.run(["umount", "--lazy", str(data)], check=True)


def resize(project: Project, kilobytes: int) -> None:
    size = f"remount,size={kilobytes}k"
    subprocess.run(["mount", "-o", size, str(project.root / "data")], check=True)


def test_a_full_disk_is_one_line_and_more_space_is_all_that_it_takes(small_disk: Project) -> None:
    failed = []
    for kilobytes in TOO_SMALL_KB:
        resize(small_disk, kilobytes)
        lines = small_disk.tidemill("run", "disk", exit_code=1).splitlines()
        assert "Traceback" not in "\n".join(lines)
        said = lines[-1]
        assert said.startswith("error: ")
        assert "the disk is full" in said or "No space left on device" in said, said
        failed.append(said.split("@")[0].removeprefix("error: "))
        assert list(small_disk.root.rglob("data/**/.*.part")) == []
    assert len(set(failed)) > 1, failed
    resize(small_disk, ENOUGH_KB)
    small_disk.tidemill("run", "disk")
    assert storage.read_json(small_disk.home / "release" / "disk" / "outcome.json")["version"] == 1
