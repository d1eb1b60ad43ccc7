"""Real servers: started, kept, looked at and ended by `flows.servers`."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_project import Servers

from flows import process_tree, server_commands, server_state, servers
from flows.health import healthy
from flows.process_tree import Identity, identity
from flows.server_state import Started
from tasks import file_lock
from tasks.errors import BusyError, ServerError

pytest_plugins = ["tiny_project"]

ANSWERING = "import http.server, sys; http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind='127.0.0.1')"


@pytest.fixture(autouse=True)
def no_outside_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)


def simple(home: Path, port: int, code: str = ANSWERING) -> server_commands.Server:
    """A small server of its own, started as the real ones are."""
    command = (sys.executable, "-u", "-c", code, str(port))
    return server_commands.Server("worker", "Prefect worker", command, {}, port, "/")


def test_both_servers_are_well_and_on_loopback(live_servers: Servers) -> None:
    reports = {report.name: report for report in servers.status(live_servers.home)}
    assert [reports[name].state for name in ("prefect", "mlflow", "worker")] == ["healthy", "healthy", "stopped"]
    assert all(url.startswith("http://127.0.0.1:") for url in live_servers.urls.values())
    assert all(reports[name].log.is_file() for name in ("prefect", "mlflow"))


def test_up_again_keeps_the_same_processes(live_servers: Servers) -> None:
    before = [report.pid for report in servers.status(live_servers.home)]
    assert servers.up(live_servers.home) == live_servers.urls
    assert [report.pid for report in servers.status(live_servers.home)] == before


def test_a_server_that_was_killed_is_noticed_and_started_anew(live_servers: Servers) -> None:
    dead = server_state.read(live_servers.home, "mlflow")
    assert dead is not None
    process_tree.end_group(dead.process, 0.0)
    assert servers.status(live_servers.home)[1].state == "died"
    urls = servers.up(live_servers.home)
    assert healthy(urls["mlflow"] + "/health")
    assert servers.status(live_servers.home)[1].pid != dead.process.pid
    live_servers.urls.update(urls)  # the port it had may be taken by now


def test_mlflow_answers_no_foreign_host(live_servers: Servers) -> None:
    import http.client

    connection = http.client.HTTPConnection(
        "127.0.0.1", int(live_servers.urls["mlflow"].rpartition(":")[2]), timeout=10
    )
    connection.request("GET", "/api/2.0/mlflow/experiments/search?max_results=1", headers={"Host": "evil.example"})
    assert connection.getresponse().status == 403
    connection.close()


def test_a_recycled_pid_is_no_server_of_ours(tmp_path: Path) -> None:
    me = identity(os.getpid())
    assert me is not None
    stranger = Identity(me.pid, me.created_at - 100)
    server_state.write(tmp_path, Started("prefect", stranger, 4200, "http://127.0.0.1:4200"))
    assert servers.status(tmp_path)[0].state == "died"
    assert servers.down(tmp_path) == []
    assert servers.status(tmp_path)[0].state == "stopped"


def test_a_torn_record_counts_as_none(tmp_path: Path) -> None:
    file = server_state.file(tmp_path, "prefect")
    file.parent.mkdir(parents=True)
    file.write_text('{"name": "pre')
    assert server_state.read(tmp_path, "prefect") is None
    assert servers.status(tmp_path)[0].state == "stopped"


def test_a_taken_port_gives_way_to_a_free_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setitem(server_commands.PREFERRED_PORTS, "prefect", port)
        assert servers._port(tmp_path, "prefect") not in (0, port)
    assert servers._port(tmp_path, "prefect") == port


def test_a_server_that_dies_at_its_start_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    failing = simple(tmp_path, 1, "import sys; sys.exit('database is locked')")
    with pytest.raises(ServerError, match=r"Prefect worker ended at its start \(exit code 1\).*\n  database is locked"):
        servers._started([failing], tmp_path)
    assert server_state.read(tmp_path, "worker") is None


def test_an_interrupted_start_leaves_no_process(tmp_path: Path) -> None:
    sleeping = simple(tmp_path, 1, "import time; time.sleep(300)")
    timer = threading.Timer(0.8, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        servers._started([sleeping], tmp_path)
    timer.join()
    assert server_state.read(tmp_path, "worker") is None


def test_down_ends_the_whole_group_and_forgets(tmp_path: Path) -> None:
    port = servers._port(tmp_path, "worker")
    (started,) = servers._started([simple(tmp_path, port)], tmp_path)
    assert servers.status(tmp_path)[2].state in ("healthy", "not answering")
    assert servers.down(tmp_path) == ["worker"]
    assert process_tree.group(started.process) == []
    assert servers.status(tmp_path)[2].state == "stopped"


def test_a_lock_is_held_by_one_process_and_given_back_when_it_dies(tmp_path: Path) -> None:
    path = tmp_path / "up.lock"
    code = f"import time; from pathlib import Path; from tasks import file_lock\nwith file_lock.held(Path({str(path)!r})): print('got', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(BusyError, match=r"up\.lock"), file_lock.held(path):
            pass
        holder.kill()
        with file_lock.held(path, patience_s=5.0):
            pass


def test_two_starts_at_once_start_one_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = servers._port(tmp_path, "worker")
    monkeypatch.setattr(servers, "worker", lambda home, _, __: replace(simple(home, port), health_path="/"))
    monkeypatch.setitem(server_commands.HEALTH_PATHS, "worker", "/")
    pids = []

    def start() -> None:
        servers.worker_up(tmp_path, {})
        pids.append(servers.status(tmp_path)[2].pid)

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 2
    assert pids[0] == pids[1] is not None
    servers.down(tmp_path)


def test_a_server_that_the_user_named_is_used_and_not_started(
    live_servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"{live_servers.urls['prefect']}/api")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", live_servers.urls["mlflow"])
    assert servers.up(tmp_path) == live_servers.urls
    states = {report.name: report.state for report in servers.status(tmp_path)}
    assert [states[name] for name in ("prefect", "mlflow", "worker")] == ["external", "external", "stopped"]
    assert not server_state.file(tmp_path, "prefect").exists()


def test_a_named_server_that_does_not_answer_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    started = time.monotonic()
    with pytest.raises(ServerError, match=r"PREFECT_API_URL: Prefect does not answer at http://127.0.0.1:9; .*unset"):
        servers.up(tmp_path)
    assert time.monotonic() - started < 5
