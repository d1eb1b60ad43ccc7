"""Two of four silos killed at random rounds, one of them back: real SuperLink and SuperNodes over TLS on loopback.

    python bench/federate_deaths.py --feedback data/feedback --cache FOLDER [--rows 200] [--rounds 6] [--seed 1]

The first is started by nobody again; the second is watched, as `tidemill federate` watches silos on its own machine.
Beside it the same plan without a death, in one process: what a death costs.
"""

import contextlib
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from silos import Study, accuracy, arguments, everywhere, prepared, run, start

from tasks.federate import array_file
from tasks.federate.card import round_rows
from tasks.federate.certificates import Certificates, ensure
from tasks.federate.flower import processes
from tasks.federate.flower.server import INITIAL
from tasks.federate.state import CHECKPOINT, Round
from tasks.federate.watch import Site, carried_out
from tasks.markdown import table
from tasks.recipe import Federate


def main() -> None:
    """Print the rounds, and the accuracy beside that of an undisturbed run."""
    parser = arguments(__doc__, 200)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    study = prepared(asked.feedback, asked.cache.resolve(), asked.rows, 1)
    random = np.random.default_rng(asked.seed)
    gone, back = (str(name) for name in random.choice(study.names, 2, replace=False))
    at = {gone: int(random.integers(1, asked.rounds - 1)), back: int(random.integers(1, asked.rounds - 1))}
    print(f"{gone} is killed after round {at[gone]} for good, {back} after round {at[back]}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        shared, rounds = _disturbed(study, Path(folder), asked.rounds, (gone, back), at)
    rows = round_rows(rounds)
    print("\n" + table(list(rows[0]), [list(row.values()) for row in rows]))
    quiet = run(study, 0, rounds=asked.rounds).shared
    for label, arrays in (("with two deaths", shared), ("undisturbed", quiet)):
        print(f"{label}: mean test accuracy {accuracy(study, everywhere(study, arrays), 'test'):.4f}")


def _disturbed(
    study: Study, folder: Path, n_rounds: int, who: tuple[str, str], at: dict[str, int]
) -> tuple[dict[str, np.ndarray], list[Round]]:
    """The federated arrays and the rounds."""
    gone, _ = who
    files, homes = Certificates(folder / "certificates"), {home.name: home for home in study.homes}
    ensure(files, [], study.names)
    settings = Federate(rounds=n_rounds, round_seconds=240)
    job = {
        "plan": study.plan.model_copy(update={"federate": settings}).model_dump(mode="json"),
        "run": folder.name,
        "invited": study.names,
    }
    array_file.save(folder / "server" / INITIAL, start(study))
    watched = {name: home for name, home in homes.items() if name != gone}
    site = Site(folder / "server", files, watched, job, f"127.0.0.1:{_free_port()}")
    by_hand = threading.Thread(target=_started_by_hand, args=(site, homes[gone], files), daemon=True)
    by_hand.start()
    for name, number in at.items():
        _after_round(site.folder, number, lambda home=homes[name]: _kill(home))
    arrays = carried_out(site)
    return arrays, [Round(**heard) for heard in array_file.note(site.folder / CHECKPOINT)["rounds"]]


def _started_by_hand(site: Site, home: Path, files: Certificates) -> None:
    host, _, port = str(site.listen).rpartition(":")
    while True:
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
            break
        time.sleep(0.2)
    while not (site.folder / "job.json").is_file():  # by then its key is registered
        time.sleep(0.2)
    processes.super_node(home, str(site.listen), files.authority, files.silo_key(home.name))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _after_round(folder: Path, number: int, act: Callable[[], None]) -> None:
    """Do it once that round is written down."""

    def wait() -> None:
        while len((array_file.note(folder / CHECKPOINT) or {"rounds": []})["rounds"]) < number:
            time.sleep(0.1)
        act()

    threading.Thread(target=wait, daemon=True).start()


def _kill(home: Path) -> None:
    """SIGKILL to the SuperNode in that home."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if any("flower-supernode" in word for word in child.cmdline()) and child.cwd() == str(home):
                os.kill(child.pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
