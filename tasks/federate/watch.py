"""A federation over real processes: started, watched, mended when one dies, and ended whatever happens."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks import storage
from tasks.errors import PromiseError, ServerError, TidemillError
from tasks.federate import array_file
from tasks.federate.certificates import Certificates, public_key
from tasks.federate.flower import control, fleet, processes
from tasks.federate.flower.control import Control
from tasks.federate.flower.processes import Addresses, Child
from tasks.federate.flower.server import FAILED, JOB
from tasks.federate.messages import Arrays
from tasks.federate.state import CHECKPOINT, RESULT, Round, told
from tasks.progress import progress

LINK, RUN = "superlink", "run"
MOST_RESTARTS = 5
"""Of the SuperLink, and of each silo: more are no accident."""
LOOK_S, ASK_S = 0.5, 5.0
PAUSE_S = 2.0
"""Before a silo is started again, times the number of its deaths."""


@dataclass(frozen=True)
class Site:
    """What runs where: the run's folder, the keys, the silos that are started here, the server's address."""

    folder: Path
    certificates: Certificates
    here: Mapping[str, Path]
    job: Mapping[str, Any]
    """Plan, run and invited silos, as the server reads them."""
    listen: str | None = None
    """HOST:PORT for silos elsewhere; None: any free port of loopback."""

    @property
    def keys(self) -> dict[str, bytes]:
        """The public key of each invited silo."""
        return {name: public_key(self.certificates.silo_public(name)) for name in self.job["invited"]}


@dataclass
class Running:
    """The processes at this moment."""

    where: Addresses
    authority: Path
    children: dict[str, Child] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    died_at: dict[str, float] = field(default_factory=dict)
    nodes: dict[str, int] = field(default_factory=dict)
    """The node id of each invited silo."""
    run_id: int = 0

    @property
    def control(self) -> Control:
        """The SuperLink's control interface."""
        return Control(self.where.control, self.authority)


def carried_out(site: Site) -> Arrays:
    """The federated arrays. Raises PromiseError with the reason when a round fails, ServerError without a SuperLink."""
    for name in (FAILED, RESULT):
        (site.folder / name).unlink(missing_ok=True)
    n_rounds = int(site.job["plan"]["federate"]["rounds"])
    with _started(site) as running, progress("rounds", n_rounds + 1) as report:
        shown, ask_at = 0, 0.0
        while not _left(site):
            if time.monotonic() > ask_at:
                ask_at = time.monotonic() + ASK_S
                _go_on(site, running)
            shown = _show(site, shown, n_rounds)
            report(shown)
            _mend(site, running)
            time.sleep(LOOK_S)
        report(_show(site, shown, n_rounds))
    if (site.folder / FAILED).is_file():
        raise PromiseError(str(storage.read_json(site.folder / FAILED)["reason"]))
    found = array_file.load(site.folder / RESULT)
    if found is None:
        log = processes.last_words(site.folder / f"{LINK}.log")
        raise TidemillError(f"the federation ended without a result; {log}")
    return found[0]


@contextlib.contextmanager
def _started(site: Site) -> Iterator[Running]:
    """All processes, up and with their job; none of them is left at the end."""
    running = Running(processes.addresses(site.listen), site.certificates.authority)
    try:
        _start_link(site, running)
        for name in site.here:
            _start_silo(site, running, name)
        print(f"SuperLink at {running.where.fleet}; silos here: {', '.join(site.here) or 'none'}", flush=True)
        yield running
    finally:
        processes.end(running.children)


def _start_link(site: Site, running: Running) -> None:
    """Start the SuperLink, tell it whom to let in, and give it the job."""
    running.children[LINK] = processes.super_link(site.folder, running.where, site.certificates)
    nodes = control.registered(running.control, site.keys)
    running.nodes = {name: node for node, name in nodes.items()}
    where = {"control": running.where.control, "authority": str(running.authority)}
    told = {"nodes": {str(node): name for node, name in nodes.items()}, **where}
    storage.write_json(site.folder / JOB, {**site.job, **told})
    running.run_id = control.submitted(running.control, site.folder)


def _start_silo(site: Site, running: Running, name: str) -> None:
    """Start a silo's SuperNode; one that died before it is taken off the SuperLink's list first."""
    key = site.certificates.silo_key(name)
    if name in running.children:
        with contextlib.suppress(ServerError):  # it has missed the dead one by itself, or is down and will
            fleet.signed_off(running.where.fleet, running.authority, key, running.nodes[name])
    child = processes.super_node(site.here[name], running.where.fleet, running.authority, key)
    running.children[name] = child


def _left(site: Site) -> bool:
    """Whether the server has left a result or a reason why there is none."""
    return (site.folder / RESULT).is_file() or (site.folder / FAILED).is_file()


def _go_on(site: Site, running: Running) -> None:
    """Give the SuperLink the job again when its run ended without a word: the rounds go on after the last one."""
    if not _ended(running) or _left(site):
        return
    running.restarts[RUN] = running.restarts.get(RUN, 0) + 1
    if running.restarts[RUN] > MOST_RESTARTS:
        log = processes.last_words(site.folder / f"{LINK}.log")
        raise TidemillError(f"the federation ended {MOST_RESTARTS} times without a result; {log}")
    print("the run ended without a result and goes on after the last round", flush=True)
    with contextlib.suppress(ServerError):  # it has died just now; `_mend` starts it again, with the job
        running.run_id = control.submitted(running.control, site.folder)


def _ended(running: Running) -> bool:
    """Whether Flower says that the run is over, however it ended."""
    try:
        return control.ended(running.control, running.run_id) is not None
    except ServerError:
        return False  # it has died just now; `_mend` starts it again


def _mend(site: Site, running: Running) -> None:
    """Start again what has died: the SuperLink goes on from the last round, a silo from what it keeps at home."""
    for name, child in list(running.children.items()):
        if child.poll() is None or not _is_time(running, name):
            continue
        running.restarts[name] = running.restarts.get(name, 0) + 1
        if running.restarts[name] > MOST_RESTARTS:
            home = site.folder if name == LINK else site.here[name]
            log = home / ("superlink.log" if name == LINK else "supernode.log")
            raise ServerError(f"{name} died {running.restarts[name]} times; {processes.last_words(log)}")
        print(f"{name} died (exit code {child.returncode}) and is started again", flush=True)
        if name == LINK:
            _start_link(site, running)
        else:
            _start_silo(site, running, name)


def _is_time(running: Running, name: str) -> bool:
    """Whether a dead process may be started again: the SuperLink at once, a silo after its pause."""
    died = running.died_at.setdefault(name, time.monotonic())
    pause = 0.0 if name == LINK else PAUSE_S * (running.restarts.get(name, 0) + 1)
    if time.monotonic() < died + pause:
        return False
    del running.died_at[name]
    return True


def _show(site: Site, shown: int, n_rounds: int) -> int:
    """How many rounds are over; those that were not shown yet are printed."""
    found = array_file.note(site.folder / CHECKPOINT)
    if found is None or found["run"] != site.job["run"]:
        return shown
    rounds = [Round(**heard) for heard in found["rounds"]]
    for heard in rounds[shown:n_rounds]:
        print(told(heard, n_rounds), flush=True)
    return len(rounds)
