"""The lifecycle killed with SIGKILL at random moments and taken up by the same command: same bits, valid registry?

    python bench/kill.py --points 30

runs a small real project once without a kill, then once more for each point: killed at a random moment of a random
step, run again to the end, and compared. Prints a line a point and a summary.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import killing
from small_project import small_project, write_template
from tiny_project import Project, Servers

from flows import servers


def main() -> int:
    """The exit code: 0 when every point ended with the same bits and a valid registry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    for variable in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
        os.environ.pop(variable, None)
    with tempfile.TemporaryDirectory(prefix="tidemill-kill-") as name:
        folder = Path(name)
        home = folder / "home"
        try:
            running = Servers(home, servers.up(home))
            os.environ["MLFLOW_TRACKING_URI"] = running.urls["mlflow"]
            return _measured(folder, running, asked.points, asked.seed)
        finally:
            servers.down(home)


def _measured(folder: Path, running: Servers, points: int, seed: int) -> int:
    empty = folder / "empty"
    empty.mkdir()
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=empty, check=True)
    template = write_template(folder / "template", empty)
    reference = small_project(template, folder / "reference", running, "reference")
    seconds = killing.finished(reference, "reference")
    wanted = (killing.weights(reference, "reference"), killing.outputs(reference, "reference"))
    print("uninterrupted: " + ", ".join(f"{step} {took:.1f} s" for step, took in seconds.items()), flush=True)
    good = 0
    for number, moment in enumerate(killing.moments(points, seconds, seed), start=1):
        recipe = f"killed_{number}"
        project = small_project(template, folder / recipe, running, recipe)
        faults = _faults(project, recipe, moment, wanted)
        good += not faults
        print(
            f"{number:>3}  {moment.step} + {moment.delay_s:.2f} s, {moment.way}: {faults or 'as if never killed'}",
            flush=True,
        )
        shutil.rmtree(folder / recipe)
    print(f"{good} of {points} points ended with the same weights, the same stage outputs and a valid registry")
    return 0 if good == points else 1


def _faults(project: Project, recipe: str, moment: killing.Moment, wanted: tuple[str, object]) -> list[str]:
    try:
        at = killing.killed(project, recipe, moment)
        killing.finished(project, recipe)
        faults = killing.registry_faults(project, recipe)
        faults += ["other weights"] if killing.weights(project, recipe) != wanted[0] else []
        faults += ["other outputs"] if killing.outputs(project, recipe) != wanted[1] else []
        faults += [f"left running: {left}"] if (left := killing.left_running(project)) else []
        print(f"     killed at: {at or 'nothing, it was done'}", flush=True)
    except AssertionError as error:
        return [f"the second run failed: {error}"]
    finally:
        killing.end_all(project, recipe)
    return faults


if __name__ == "__main__":
    sys.exit(main())
