"""SuperLink and SuperNodes as real processes on loopback: killed, restarted, refused."""

import contextlib
import os
import signal
import threading
import time
from types import SimpleNamespace

import psutil
import pytest
from tiny_silos import SILOS

from tasks.errors import PromiseError, ServerError
from tasks.federate import array_file, kinds
from tasks.federate.aggregation import flat
from tasks.federate.certificates import Certificates, ensure
from tasks.federate.flower import server
from tasks.federate.flower.control import Control
from tasks.federate.flower.server import INITIAL
from tasks.federate.here import Here
from tasks.federate.messages import Ask
from tasks.federate.plan import plan
from tasks.federate.rounds import federated
from tasks.federate.silo_process import Membership, require_reachable, served
from tasks.federate.state import CHECKPOINT, Federation
from tasks.federate.watch import Site, _started, carried_out
from tasks.recipe import Federate

pytest_plugins = ["tiny_silos"]
# Flower imports typer, whose click warns of its next version.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

KNOBS = {"rounds": 3, "min_silos": 2, "round_seconds": 240, "learning_rate": 1.0, "compression": "int8"}


def site(recipe, base_model, homes, folder, **changes):
    described = plan(recipe, base_model).model_copy(update={"federate": Federate(**{**KNOBS, **changes})})
    files = Certificates(folder / "certificates")
    ensure(files, [], SILOS)
    array_file.save(folder / "server" / INITIAL, kinds.of("head").initial(described, base_model))
    job = {"plan": described.model_dump(mode="json"), "run": "a-run", "invited": list(SILOS)}
    return described, Site(folder / "server", files, {home.name: home for home in homes}, job)


def kill(program, cwd):
    """SIGKILL to our child of that program in that folder."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if any(program in word for word in child.cmdline()) and child.cwd() == str(cwd):
                os.kill(child.pid, signal.SIGKILL)


def after_round(folder, number, act):
    """Do it once that round is written down, while the caller goes on."""

    def wait():
        while len((array_file.note(folder / CHECKPOINT) or {"rounds": []})["rounds"]) < number:
            time.sleep(0.1)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()


def test_a_killed_server_and_a_killed_silo_are_back_in_the_very_round_and_nothing_is_lost(
    recipe, base_model, homes, tmp_path, capfd
):
    described, where = site(recipe, base_model, homes, tmp_path)
    quiet = Federation(described, "b-run", SILOS, tmp_path / "quiet")
    state = federated(quiet, kinds.of("head").initial(described, base_model), Here(homes))
    undisturbed = flat(state.shared).tobytes()
    after_round(where.folder, 1, lambda: kill("flower-superlink", where.folder))
    after_round(where.folder, 2, lambda: kill("flower-supernode", homes[2]))
    disturbed = carried_out(where)
    said = capfd.readouterr().out
    assert "superlink died (exit code -9) and is started again" in said
    assert "west died (exit code -9) and is started again" in said
    assert not [child for child in psutil.Process().children(recursive=True) if "flower" in " ".join(child.cmdline())]
    rounds = array_file.note(where.folder / CHECKPOINT)["rounds"]
    assert [heard["number"] for heard in rounds] == [1, 2, 3, 3]
    assert [sorted(heard["silos"]) for heard in rounds] == [sorted(SILOS)] * 4
    assert flat(disturbed).tobytes() == undisturbed


def test_a_silo_that_the_superlink_says_is_gone_is_missed_and_does_not_end_the_run(monkeypatch, tmp_path):
    """An error that the SuperLink makes itself comes from itself, not from the silo's node."""

    class Grid:
        def push_messages(self, messages):
            return [f"to {message.metadata.dst_node_id}" for message in messages]

        def pull_messages(self, ids):
            gone = SimpleNamespace(code=5, reason="Node Unavailable")
            told = [SimpleNamespace(reply_to_message_id=one, src_node_id=1) for one in ids]
            return [SimpleNamespace(metadata=metadata, has_error=lambda: True, error=gone) for metadata in told]

    monkeypatch.setattr(server, "LOOK_S", 0.1)
    monkeypatch.setattr(server, "RETURN_S", 0.5)
    monkeypatch.setattr(server.OverFlower, "_online", lambda _: {})
    fleet = server.OverFlower(Grid(), {77: "west"}, Control("127.0.0.1:1", tmp_path))
    (answer,) = fleet.ask(Ask("train", "a-run", 2, "{}", {}), ["west"], 30.0)
    assert (answer.silo, answer.error) == ("west", "went away")


def test_a_run_whose_every_reply_is_a_refusal_fails_with_the_reasons(recipe, base_model, homes, tmp_path):
    for home in homes:
        (home / "veto").write_text("audit this week")
    _, where = site(recipe, base_model, homes, tmp_path, rounds=1)
    with pytest.raises(PromiseError) as caught:
        carried_out(where)
    assert "0 of 3 silos gave a good answer, and federate.min_silos is 2" in str(caught.value)
    assert str(caught.value).count("its operator vetoes: audit this week") == 3


def test_a_wrong_certificate_and_an_unknown_key_are_refused_in_one_line(recipe, base_model, homes, tmp_path):
    _, where = site(recipe, base_model, homes, tmp_path)
    strangers = Certificates(tmp_path / "strangers")
    ensure(strangers, [], ["stranger"])
    with _started(Site(where.folder, where.certificates, {}, where.job)) as running:
        wrong = Membership(running.where.fleet, strangers.authority, strangers.silo_key("stranger"))
        with pytest.raises(ServerError, match="its certificate is not one of") as caught:
            require_reachable(wrong)
        assert "\n" not in str(caught.value)
        unknown = Membership(running.where.fleet, where.certificates.authority, strangers.silo_key("stranger"))
        with pytest.raises(ServerError, match="does not know the key") as caught:
            served(homes[0], unknown)
        assert "\n" not in str(caught.value)
    with pytest.raises(ServerError, match="no SuperLink answers there over TLS"):
        require_reachable(unknown)
