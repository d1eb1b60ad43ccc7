"""What the lifecycle does with one recipe, step by step: which command, or why there is nothing to do."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flows.stage_process import Job
from tasks.paths import Paths, project_root
from tasks.recipe import Recipe, load

if TYPE_CHECKING:
    from tasks.dvc_repo import StageState

STATE_NAMES = {"ran": "Completed", "cached": "Cached", "restored": "Restored"}

CARDS = {"label": "card.md", "pull": "pull.md", "review": "review.md", "errors": "errors.md"}
"""The pages that the steps leave which talk to Label Studio."""


@dataclass(frozen=True)
class Turn:
    """One run of one recipe's lifecycle."""

    recipe: Recipe
    paths: Paths
    deadline: float
    """`time.monotonic()` at which the recipe's budget of minutes is used up."""


@dataclass(frozen=True)
class Step:
    """One stage, and the command that does it (None: it is up to date)."""

    name: str
    command: tuple[str, ...] | None
    card: Path | None
    """A short markdown page that the stage leaves for people; without one its last lines are shown."""
    by_dvc: bool
    """DVC may find, when it is asked, that there is nothing to do after all, or restore the outputs."""


@dataclass(frozen=True)
class Result:
    """How one stage ended."""

    stage: str
    state: str
    seconds: float


def opened(recipe: str) -> Turn:
    """The recipe in the project of the working folder, its clock started. Raises RecipeError with all its faults."""
    root = project_root()
    found = load(root / "recipes" / f"{recipe}.yaml")
    return Turn(found, Paths(root, found.name), time.monotonic() + found.budget.minutes * 60)


def collect(turn: Turn) -> Step:
    """Fetch what is new at the sources; cached when nothing can be."""
    from tasks.collect.pending import pending

    return _own(
        turn,
        "collect",
        turn.paths.home / "collect" / turn.recipe.name / "card.md",
        bool(pending(turn.recipe, turn.paths)),
    )


def graph(turn: Turn) -> "list[StageState]":
    """DVC's stages of the recipe in DVC's order, each with the reasons why it is stale."""
    from tasks import dvc_repo
    from tasks.fingerprint.run import run as write_fingerprints

    write_fingerprints(turn.recipe, turn.paths)
    return dvc_repo.plan(turn.paths.root, turn.recipe.name)


def dvc_stage(turn: Turn, state: "StageState", before: Sequence[Result]) -> Step:
    """The stage under DVC; cached without a process when it is fresh and no DVC stage before it has changed."""
    from tasks import dvc_repo

    changed = any(result.state != "Cached" for result in before)
    command = tuple(dvc_repo.repro_command(state.address)) if state.stale or changed else None
    return Step(state.stage, command, turn.paths.stage(state.stage) / "card.md", by_dvc=True)


def measure(turn: Turn) -> Step:
    """Time the served model on this machine; cached when these very files were timed here before."""
    from tasks.compress.measure import measured

    return _own(turn, "measure", turn.paths.measurements / "card.md", not measured(turn.paths))


def release(turn: Turn) -> Step:
    """Register the model; cached when the same lineage is registered."""
    from tasks.release.known import registered_version

    stale = registered_version(turn.recipe, turn.paths) is None
    return _own(turn, "release", turn.paths.release / "card.md", stale)


def state_name(step: Step, lines: Sequence[str]) -> str:
    """The Prefect state that says what the step's command did, read from its lines."""
    from tasks import dvc_repo

    return STATE_NAMES[dvc_repo.outcome(lines) if step.by_dvc else "ran"]


def label(turn: Turn, name: str, values: Mapping[str, str] | None = None) -> Step:
    """One of the steps that ask people, which never know before whether there is something to do."""
    card = turn.paths.labelling / CARDS[name] if name in CARDS else None
    return Step(name, own_command(turn, name, values), card, by_dvc=False)


def watch(turn: Turn) -> Step:
    """The verdict on the traffic, which never knows before whether enough has come."""
    return _own(turn, "watch", turn.paths.watch / "card.md", stale=True)


def _own(turn: Turn, name: str, card: Path, stale: bool) -> Step:
    return Step(name, own_command(turn, name) if stale else None, card, by_dvc=False)


def own_command(turn: Turn, name: str, values: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The command of a step that DVC does not run, with other values of the recipe for this once."""
    return (sys.executable, "-m", "tasks", name, turn.recipe.name, *(f"{k}={v}" for k, v in (values or {}).items()))


def job(turn: Turn, name: str, command: tuple[str, ...]) -> Job:
    """The command under the recipe's budget."""
    budget = turn.recipe.budget
    label = f"{name}@{turn.recipe.name}"
    return Job(label, command, turn.paths.root, budget.memory_gb, turn.deadline, budget.minutes)
