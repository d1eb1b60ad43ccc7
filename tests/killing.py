"""The lifecycle killed at a moment, taken up by the same command, and looked at: what the tests and bench/kill.py share."""

import contextlib
import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil
from tiny_project import Project, running_in

from flows import run_lock
from flows.process_tree import alive, end_group
from tasks import dvc_repo, ledger, seal, storage, tracking
from tasks.paths import STAGES, Paths

STEPS = ("collect", *STAGES, "measure", "release")
PATIENCE_S = 900.0
WAYS = ("the flow alone", "the flow and its stage")


@dataclass(frozen=True)
class Moment:
    """When to kill: so many seconds after the step has started (as its process: a cached one never does), and whom."""

    step: str
    delay_s: float
    way: str


def moments(count: int, seconds: dict[str, float], seed: int) -> list[Moment]:
    """Random moments, every step as often as any other, at any time of as long as it takes (`seconds`)."""
    luck = random.Random(seed)
    steps = [STEPS[index % len(STEPS)] for index in range(count)]
    luck.shuffle(steps)
    return [Moment(step, luck.uniform(0, seconds[step]), luck.choice(WAYS)) for step in steps]


def finished(project: Project, recipe: str) -> dict[str, float]:
    """Seconds of each step of `tidemill run`, which has to end well."""
    with project.start("run", recipe, "--json") as child:
        output, _ = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 0, output
    return {stage["stage"]: stage["seconds"] for stage in json.loads(output[output.index("{") :])["stages"]}


def killed(project: Project, recipe: str, moment: Moment) -> str | None:
    """The step at which `tidemill run` was killed with SIGKILL, or None: it was done before."""
    child = project.start("run", recipe, "--json")
    try:
        _await_step(child, project, recipe, moment.step)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(moment.delay_s)
        if child.poll() is not None:
            return None
        holder = run_lock.noted(project.home, recipe)
        os.killpg(child.pid, signal.SIGKILL)
        if holder and holder.stage_process and moment.way == WAYS[1] and alive(holder.stage_process):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(holder.stage_process.pid, signal.SIGKILL)
        return holder.stage if holder else "before collect"
    finally:
        child.kill()
        child.communicate()


def _await_step(child: "subprocess.Popen[str]", project: Project, recipe: str, step: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while child.poll() is None and time.monotonic() < deadline:
        holder = run_lock.noted(project.home, recipe)
        if holder and holder.stage == step:
            return
        time.sleep(0.02)


def outputs(project: Project, recipe: str) -> dict[str, dict[str, str]]:
    """The md5 of everything that each stage has left, by file without the recipe's name."""
    recorded = dvc_repo.recorded(project.root, recipe)["stages"]
    return {
        stage: {path.replace(f"/{recipe}/", "/"): md5 for path, md5 in dvc_repo.hashes(recorded[stage])["outs"].items()}
        for stage in STAGES
    }


def weights(project: Project, recipe: str) -> str:
    """The sha256 of the trained weights."""
    return storage.sha256_file(Paths(project.root, recipe).stage("train") / "model.safetensors")


def registry_faults(project: Project, recipe: str) -> list[str]:
    """What is not as one finished release leaves it: versions, their files, aliases, lineages, the ledger."""
    versions = tracking.versions(recipe)
    lineages = Counter(version.tags[tracking.LINEAGE_TAG] for version in versions)
    faults = [f"lineage {one[:8]} is registered {count} times" for one, count in lineages.items() if count > 1]
    champions = [version.number for version in versions if tracking.CHAMPION in version.aliases]
    faults += [f"champions are {champions}"] if len(champions) != 1 else []
    faults += [f"version {one.number} is not released" for one in versions if tracking.RELEASED_TAG not in one.tags]
    faults += [fault for version in versions for fault in file_faults(version)]
    entries = Counter((entry.kind, entry.version) for entry in ledger.entries(project.home, recipe))
    return faults + [f"the ledger has {count} times {one}" for one, count in entries.items() if count > 1]


def file_faults(version: tracking.Version) -> list[str]:
    """The version's files that cannot be fetched as they were sealed."""
    with tempfile.TemporaryDirectory() as folder:
        listed = tracking.download(version, seal.LIST, Path(folder))
        if storage.sha256_file(listed) != version.tags[tracking.SEAL_TAG]:
            return [f"version {version.number}: {seal.LIST} is another"]
        sealed = storage.read_json(listed)
        found = [seal.broken(tracking.download(version, name, Path(folder)), name, sealed) for name in sealed]
    return [fault for fault in found if fault]


def left_running(project: Project) -> list[int]:
    """The pids of processes that work in the project's folder, after those that are about to end had time to."""
    deadline = time.monotonic() + 10
    while (found := running_in(project.root)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def end_all(project: Project, recipe: str) -> None:
    """End what a killed run has left behind, should the next one not have come to it."""
    holder = run_lock.noted(project.home, recipe)
    if holder and holder.stage_process:
        end_group(holder.stage_process, 1.0)
    for pid in running_in(project.root):
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).kill()
