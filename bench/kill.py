"""The lifecycle killed with SIGKILL at random moments and taken up by the same command: same bits, valid registry?

    python bench/kill.py --points 30
    python bench/kill.py --points 0 --between

runs a small real project once without a kill, then once more for each point: killed at a random moment of a random
step, run again to the end, and compared. `--between` kills its release before and after each request that changes
MLflow. Prints a line a point and a summary.
"""

import argparse
import contextlib
import os
import shutil
import sys
from dataclasses import dataclass

import small

import killing  # isort: skip  (a file of tests/, which `small` puts on the path)
from small_project import small_project
from tiny_project import Project

from flows import servers


def main() -> int:
    """The exit code: 0 when every point ended with the same bits and a valid registry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--between", action="store_true", help="kill the release between its steps as well")
    asked = parser.parse_args()
    with small.opened("kill") as place:
        reference = _reference(place)
        between = _between(place, reference) if asked.between else True
        os.environ["MLFLOW_TRACKING_URI"] = place.running.urls["mlflow"]
        anywhere = _anywhere(place, reference, killing.moments(asked.points, reference.seconds, asked.seed))
    return 0 if anywhere and between else 1


@dataclass(frozen=True)
class Reference:
    """A run that nobody killed: its project, the seconds of its steps, its weights and outputs."""

    project: Project
    seconds: dict[str, float]
    weights: str
    outputs: dict[str, dict[str, str]]


def _reference(place: small.Place) -> Reference:
    project = small_project(place.template, place.folder / "reference", place.running, "reference")
    seconds = killing.finished(project, "reference")
    print("uninterrupted: " + ", ".join(f"{step} {took:.1f} s" for step, took in seconds.items()), flush=True)
    weights, outputs = killing.weights(project, "reference"), killing.outputs(project, "reference")
    return Reference(project, seconds, weights, outputs)


def _anywhere(place: small.Place, reference: Reference, moments: list[killing.Moment]) -> bool:
    good = 0
    for number, moment in enumerate(moments, start=1):
        recipe = f"killed_{number}"
        project = small_project(place.template, place.folder / recipe, place.running, recipe)
        at, faults = _after_kill(project, recipe, moment, reference)
        good += not faults
        told = "; ".join(faults) or "as if never killed"
        print(f"{number:>3}  killed {moment.delay_s:.2f} s into {at} ({moment.way}): {told}", flush=True)
        shutil.rmtree(place.folder / recipe)
    print(f"{good} of {len(moments)} points: same weights, same stage outputs, valid registry", flush=True)
    return good == len(moments)


def _after_kill(project: Project, recipe: str, moment: killing.Moment, reference: Reference) -> tuple[str, list[str]]:
    """Where it was killed, and what is not as in the reference after a second run."""
    at = "nothing"
    try:
        at = killing.killed(project, recipe, moment) or "nothing (it was done)"
        killing.finished(project, recipe)
        faults = killing.registry_faults(project, recipe)
        faults += ["other weights"] if killing.weights(project, recipe) != reference.weights else []
        faults += ["other outputs"] if killing.outputs(project, recipe) != reference.outputs else []
        faults += [f"left running: {left}"] if (left := killing.left_running(project)) else []
    except AssertionError as error:
        return at, [f"the second run failed: {error}"]
    finally:
        killing.end_all(project, recipe)
    return at, faults


def _between(place: small.Place, reference: Reference) -> bool:
    """Whether the reference's release, killed between any two of its steps, is finished by the next one."""
    home = place.folder / "registry"
    try:
        os.environ.pop("MLFLOW_TRACKING_URI")
        os.environ["MLFLOW_TRACKING_URI"] = url = servers.up(home, ["mlflow"])["mlflow"]
        with contextlib.closing(killing.KillingProxy(url)) as proxy:
            changes, points = killing.release_points(reference.project, "reference", proxy)
            found = [_told(reference, proxy, point, changes[point.number - 1]) for point in points]
    finally:
        servers.down(home)
    print(f"{found.count([])} of {len(found)} points between the steps of a release: one version, valid registry")
    return not any(found)


def _told(reference: Reference, proxy: killing.KillingProxy, point: killing.Request, change: str) -> list[str]:
    faults = killing.release_faults(reference.project, "reference", proxy, point)
    print(f"     killed {point.when} {change}: {'; '.join(faults) or 'as if never killed'}", flush=True)
    return faults


if __name__ == "__main__":
    sys.exit(main())
