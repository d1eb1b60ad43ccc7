"""The lifecycle of a recipe whose silos train: the records up to the split, the federation, then what any model goes through."""

from prefect import flow
from prefect.runtime import flow_run

from flows import artifacts, dead_runs, run_lock, steps
from flows.lifecycle import run_stage
from flows.steps import Result, Step, Turn
from tasks import federated
from tasks.federate.run import inputs


@flow(name="federate", flow_run_name="{recipe}")
def federate(recipe: str) -> list[Result]:
    """How each stage ended. Everything before the training is made first, so that silos here have their records.

    Raises TidemillError with the first failing stage's own words, BusyError when somebody else runs the recipe.
    """
    turn = steps.opened(recipe)
    with run_lock.held(turn.paths.home, recipe, str(flow_run.id), dead_runs.close):
        results = [run_stage(turn, steps.collect(turn))]
        results += _stages(turn, before_training=True)
        results.append(run_stage(turn, _federation(turn)))
        results += _stages(turn, before_training=False)
        results.append(run_stage(turn, steps.measure(turn)))
        results.append(run_stage(turn, steps.release(turn)))
        artifacts.summary(recipe, results)
    return results


def _stages(turn: Turn, before_training: bool) -> list[Result]:
    """The stages of the graph before `train`, or from it on (after the fingerprints, if the federation changed them)."""
    states = steps.graph(turn)
    at = [state.stage for state in states].index("train")
    first, rest = states[:at], [*(state for state in states[:at] if state.stale), *states[at:]]
    done: list[Result] = []
    for state in first if before_training else rest:
        done.append(run_stage(turn, steps.dvc_stage(turn, state, done)))
    return done


def _federation(turn: Turn) -> Step:
    """Let the silos train; cached when the model that stands was made of the same records and plan on this machine."""
    known, wanted = federated.manifest(turn.paths), inputs(turn.recipe, turn.paths)
    fresh = wanted is not None and known is not None and known["inputs"] == wanted
    command = None if fresh else steps.own_command(turn, "federate")
    return Step("federate", command, turn.paths.federation / "card.md", by_dvc=False)
