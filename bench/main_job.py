"""The main job from fresh clones: time and memory of `make run`, what the next run costs, and what was released.

    python bench/main_job.py [--clones 2]

clones the committed state, runs `make run` in each clone (downloads of the sources included) and `tidemill run
feedback` once more in the first. Every clone has to end in the same sha256 of the weights.
"""

import argparse
import os
import platform
import resource
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from tasks import storage

HERE = Path(__file__).parents[1]
RECIPE, DOMAIN = "feedback", "products"
RIVALS = ("vader", "tfidf", "majority")
SECONDS = "the stages took"


class Watched(threading.Thread):
    """The largest memory (proportional set size, GB) of all processes of a folder, looked at twice a second."""

    def __init__(self, root: Path) -> None:
        super().__init__(daemon=True)
        self.root, self.most, self.over = str(root), 0.0, threading.Event()

    def run(self) -> None:
        """Look until it is over."""
        while not self.over.wait(0.5):
            self.most = max(self.most, sum(self._size(process) for process in psutil.process_iter()) / 1e9)

    def _size(self, process: psutil.Process) -> int:
        try:
            here = process.cwd().startswith(self.root) or any(self.root in word for word in process.cmdline())
            return process.memory_full_info().pss if here else 0
        except (psutil.Error, OSError):
            return 0


def run(command: list[str], place: Path) -> tuple[str, float, float]:
    """Output, wall seconds and CPU seconds (children that were waited for) of a command in a clone."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    clean = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run(command, cwd=place, env=clean, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(
            f"{' '.join(command)} in {place} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return done.stdout + done.stderr, wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def flow_seconds(output: str) -> str:
    """What the run says of its stages."""
    return next((line for line in output.splitlines() if SECONDS in line), "it does not say").strip()


def made(place: Path) -> str:
    """`make run` in the clone, as words."""
    watched = Watched(place)
    watched.start()
    output, wall, _ = run(["make", "run", f"RECIPE={RECIPE}"], place)
    watched.over.set()
    watched.join()
    return (
        f"make run: {wall / 60:.1f} min with the set-up; {flow_seconds(output)}; at most {watched.most:.1f} GB at once"
    )


def interval(found: dict[str, float]) -> str:
    """An estimate with its interval."""
    return f"{found['estimate']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"


def released(place: Path) -> list[str]:
    """What the released model is worth, in lines."""
    data = place / "data" / RECIPE
    metrics: dict[str, Any] = storage.read_json(data / "evaluate" / "metrics.json")
    weighted = {name: values["weighted_f1"] for name, values in metrics["differences"]["domain"][DOMAIN].items()}
    bytes_, overall = metrics["bytes"], metrics["overall"]
    lost = overall["fp32"]["weighted_f1"]["estimate"] - overall["int8"]["weighted_f1"]["estimate"]
    measured = next((place / ".tidemill" / "measurements" / RECIPE).glob("*.json"))
    faster = storage.read_json(measured)["speedup"]["model.int8.onnx"]
    return [
        *(f"weighted F1 on held-out {DOMAIN}, model minus {name}: {interval(weighted[name])}" for name in RIVALS),
        f"int8: {bytes_['model.int8.onnx'] / bytes_['model.onnx']:.1%} of fp32's bytes, {100 * lost:+.2f} points of F1 lost",
        *(
            f"int8 {way}: {value['median']:.2f} times fp32's speed ({value['min']:.2f} to {value['max']:.2f})"
            for way, value in faster.items()
        ),
    ]


def main() -> int:
    """The exit code: 0 when all clones end in the same weights."""
    words = argparse.ArgumentParser()
    words.add_argument("--clones", type=int, default=2)
    said = words.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start", flush=True)
    sums = set()
    with tempfile.TemporaryDirectory(prefix="main-job-") as folder:
        for number in range(said.clones):
            place = Path(folder) / str(number)
            run(["git", "clone", "--quiet", str(HERE), str(place)], HERE)
            try:
                print(f"clone {number + 1}: {made(place)}", flush=True)
                if number == 0:
                    output, wall, cpu = run([".venv/bin/tidemill", "run", RECIPE], place)
                    print(f"again: {cpu:.1f} s CPU, {wall:.1f} s wall; {flow_seconds(output)}", flush=True)
                    print("\n".join(released(place)), flush=True)
            finally:
                run([".venv/bin/tidemill", "down"], place)
            weights = storage.sha256_file(place / "data" / RECIPE / "train" / "model.safetensors")
            sums.add(weights)
            print(f"clone {number + 1}: sha256 of the weights {weights}", flush=True)
    return 0 if len(sums) == 1 else 1


if __name__ == "__main__":
    raise SystemExit(main())
