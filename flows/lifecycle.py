"""The lifecycle of one recipe, top to bottom."""

import time

from prefect import State, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from prefect.states import Completed

from flows import artifacts, dead_runs, run_lock, stage_process, steps
from flows.events import Ended, shown
from flows.steps import Result, Step, Turn
from flows.telling import teller


@flow(name="lifecycle", flow_run_name="{recipe}")
def lifecycle(recipe: str) -> list[Result]:
    """How each stage ended: what was out of date has run, the rest is marked as cached.

    Raises TidemillError with the first failing stage's own words, BusyError when somebody else runs the recipe.
    """
    turn = steps.opened(recipe)
    with run_lock.held(turn.paths.home, recipe, str(flow_run.id), dead_runs.close):
        collected = run_stage(turn, steps.collect(turn))
        derived: list[Result] = []
        for state in steps.graph(turn):
            derived.append(run_stage(turn, steps.dvc_stage(turn, state, derived)))
        measured = run_stage(turn, steps.measure(turn))
        released = run_stage(turn, steps.release(turn))
        results = [collected, *derived, measured, released]
        artifacts.summary(recipe, results)
    return results


def run_stage(turn: Turn, step: Step) -> Result:
    """How the step ended, after it ran as a Prefect task run of its name. Raises what the step raises."""

    @task(name=step.name, task_run_name=step.name, cache_policy=NO_CACHE, persist_result=False)
    def stage() -> State[None]:
        return _cached(turn, step) if step.command is None else _done(turn, step, step.command)

    started_at = time.monotonic()
    state = "Failed"
    try:
        state = stage().name or ""
    finally:
        result = Result(step.name, state, time.monotonic() - started_at)
        shown.get()(step.name, Ended(result.state, result.seconds))
    return result


def _cached(turn: Turn, step: Step) -> State[None]:
    artifacts.card(turn.paths, step)
    return Completed(name="Cached", message="nothing that it depends on has changed")


def _done(turn: Turn, step: Step, command: tuple[str, ...]) -> State[None]:
    finished = stage_process.run(steps.job(turn, step.name, command), teller(turn.paths, step.name))
    artifacts.card(turn.paths, step, finished.lines)
    artifacts.links(turn.paths, step.name)
    took = f"{finished.seconds:.1f} s, at most {finished.peak_memory_gb:.2f} GB of memory"
    return Completed(name=steps.state_name(step, finished.lines), message=took)
