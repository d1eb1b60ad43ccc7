"""An operator's silo from its own command line: joined over TLS, shown, ended; all processes are real."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from tiny_silos import table

from tasks import storage
from tasks.federate import array_file, kinds
from tasks.federate.certificates import Certificates, ensure
from tasks.federate.flower.server import INITIAL
from tasks.federate.plan import plan
from tasks.federate.watch import Site, carried_out
from tasks.recipe import Federate

pytest_plugins = ["tiny_silos"]
# Flower imports typer, whose click warns of its next version.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

OPERATORS = ("acme", "globex")
KNOBS = {"rounds": 1, "min_silos": 2, "round_seconds": 240, "learning_rate": 1.0, "personal": True}


@pytest.fixture
def project(request, tmp_path, base_model):
    """An operator's project: recipe, suites, base model, and the records of each operator in a folder."""
    root = tmp_path / "project"
    for name in (
        "dvc.yaml",
        "recipes/feedback.yaml",
        "expectations/text_records.json",
        "expectations/rated_labels.json",
    ):
        storage.write_bytes(root / name, (request.config.rootpath / name).read_bytes())
    shutil.copytree(base_model, root / "data" / "feedback" / "base_model")
    for number, name in enumerate(OPERATORS):
        storage.write_table(root / "records" / name / "all.parquet", table(number, 80).drop_duplicates("text"))
    return root


def tidemill(project, *words):
    environment = {**os.environ, "TIDEMILL_HOME": str(project / "home")}
    command = [sys.executable, "-m", "flows.cli", *words]
    return subprocess.Popen(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(address):
    host, port = address.split(":")
    for _ in range(600):
        try:
            return socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"nobody listens at {address}")


def test_an_operator_joins_from_the_command_line_sees_all_that_leaves_and_ends_it_at_will(
    recipe, base_model, project, tmp_path
):
    files, server = Certificates(tmp_path / "certificates"), f"127.0.0.1:{free_port()}"
    ensure(files, [], OPERATORS)
    described = plan(recipe, base_model).model_copy(update={"federate": Federate(**KNOBS)})
    array_file.save(tmp_path / "server" / INITIAL, kinds.of("head").initial(described, base_model))
    job = {"plan": described.model_dump(mode="json"), "run": "a-run", "invited": list(OPERATORS)}
    result = []
    site = Site(tmp_path / "server", files, {}, job, server)
    rounds = threading.Thread(target=lambda: result.append(carried_out(site)))
    rounds.start()
    wait_for(server)
    silos = [
        tidemill(
            project, "silo", "start", "--data", f"records/{name}", "--server", server,
            "--key", str(files.silo_key(name)), "--authority", str(files.authority), "--allow", "head",
        )
        for name in OPERATORS
    ]  # fmt: skip
    try:
        rounds.join(timeout=300)
    finally:
        for child in silos:
            child.send_signal(signal.SIGINT)
    said = [child.communicate(timeout=60)[0] for child in silos]
    assert result, said
    assert set(result[0]) == {"head.weight", "head.bias"}
    for name, output in zip(OPERATORS, said, strict=True):
        assert f"{name}: may send head; every answer is noted in" in output
        assert "round 1 (train): sent 396 bytes (head.bias 3, head.weight 3x32)" in output
        assert "round 1 (finish): sent" in output
        home = project / "home" / "silo" / "feedback" / name
        assert (home / "personal_head.safetensors").is_file()
        assert storage.read_json(home / "validation.json")["failing_records"] == 0
        assert "Traceback" not in output
    history = tidemill(project, "silo", "sent", "acme").communicate(timeout=60)[0]
    assert [line.split(" ")[1:3] for line in history.splitlines()] == [["round", "1"], ["round", "1"]]
