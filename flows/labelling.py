"""What people are asked, and what they answered: two flows around Label Studio."""

from collections.abc import Mapping, Sequence

from prefect import flow
from prefect.events import emit_event
from prefect.runtime import flow_run

from flows import dead_runs, loop_chain, run_lock, steps
from flows.lifecycle import run_stage
from flows.steps import Result, Turn

ANSWERED = "tidemill.loop.answered"
"""The event that enough answers are in for the recipe's loop to go on; its resource is that of the watch's events."""


@flow(name="label", flow_run_name="label {recipe}")
def label(recipe: str, values: Mapping[str, str]) -> list[Result]:
    """How each step ended: what is new was collected and prepared, a round was chosen and brought to Label Studio.

    `values` are other values of the recipe for this round. Raises TidemillError, BusyError like `lifecycle`.
    """
    turn = steps.opened(recipe)
    with run_lock.held(turn.paths.home, recipe, str(flow_run.id), dead_runs.close):
        collected = run_stage(turn, steps.collect(turn))
        return [collected, *derived(turn, ("prepare",)), run_stage(turn, steps.label(turn, "label", values))]


@flow(name="pull-labels", flow_run_name="pull labels of {recipe}")
def pull(recipe: str) -> list[Result]:
    """How each step ended: new answers landed, the consensus was made anew, what is in dispute went to review."""
    turn = steps.opened(recipe)
    with run_lock.held(turn.paths.home, recipe, str(flow_run.id), dead_runs.close):
        pulled = run_stage(turn, steps.label(turn, "pull"))
        done = [pulled, *derived(turn, ("annotate",)), run_stage(turn, steps.label(turn, "review"))]
    if loop_chain.answered(turn):
        emit_event(event=ANSWERED, resource=loop_chain.resource(recipe))
    return done


def derived(turn: Turn, stages: Sequence[str]) -> list[Result]:
    """How these stages of DVC ended, the fingerprints before them."""
    done: list[Result] = []
    for state in steps.graph(turn):
        if state.stage in ("fingerprint", *stages):
            done.append(run_stage(turn, steps.dvc_stage(turn, state, done)))
    return done
